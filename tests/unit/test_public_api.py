"""The names of docs/domain.md, "Public API": a change to one of these is a breaking change."""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields
from importlib import import_module

import pytest

import receipt_dynamo_stream as stream
from receipt_chroma import compaction
from tests.support.items import Paper
from tests.support.marks import ROOT

ENGINE = ROOT / "src" / "instep"


def names(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


@pytest.mark.domain("api-stream")
def test_the_parsers_names() -> None:
    assert names(stream.build_messages_from_records) == ["records", "metrics"]
    assert names(stream.get_chromadb_relevant_changes) == ["entity_type", "old", "new"]
    assert [one.value for one in stream.ChromaDBCollection] == ["lines", "words"]
    assert {one.name for one in fields(stream.FieldChange)} == {"old", "new"}
    assert {one.name for one in fields(stream.StreamMessage)} == {
        "entity_type",
        "entity_data",
        "changes",
        "event_name",
        "collections",
        "source",
        "timestamp",
        "stream_record_id",
        "aws_region",
    }


@pytest.mark.domain("api-stream")
def test_a_message_is_frozen() -> None:
    message = Paper().message("RECEIPT", "REMOVE")
    with pytest.raises(FrozenInstanceError):
        message.event_name = "INSERT"  # type: ignore[misc]


@pytest.mark.domain("api-compaction")
def test_the_compactions_names() -> None:
    positional = ["stream_messages", "collection", "chroma_client", "logger", "metrics"]
    taken = names(compaction.process_collection_updates)
    assert taken[:6] == [*positional, "dynamo_client"]
    result = compaction.CollectionUpdateResult("words")
    for name in ("metadata_updates", "label_updates", "delta_merge_results"):
        assert getattr(result, name) == []
    for name in ("delta_merge_count", "total_metadata_updated", "total_labels_updated"):
        assert getattr(result, name) == 0
    assert (result.collection, result.has_errors) == ("words", False)
    assert result.to_dict()["collection"] == "words"
    for module in ("metadata", "labels", "deltas"):
        import_module(f"receipt_chroma.compaction.{module}")


@pytest.mark.domain("engine")
def test_the_engine_knows_nothing_of_receipts() -> None:
    """No import, and no word either: who keeps other things in step finds nothing to rename."""
    for path in sorted(ENGINE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        assert [name for name in imported(tree) if name.startswith("receipt")] == [], path
        known = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert [name for name in known if "receipt" in name.lower()] == [], path


@pytest.mark.domain("environment")
def test_the_functions_read_these_names_of_their_environment() -> None:
    read = "".join(path.read_text() for path in sorted((ENGINE / "lambda_").glob("*.py")))
    for name in (
        "DYNAMODB_TABLE_NAME",
        "CHROMADB_BUCKET",
        "CHROMA_ROOT",
        "LOCK_DURATION_MINUTES",
        "HEARTBEAT_INTERVAL_SECONDS",
    ):
        assert f'"{name}"' in read


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
