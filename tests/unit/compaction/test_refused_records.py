"""One bad record harms itself alone: the rest of its delta is merged, and its run names it."""

import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from instep.chroma.carriable import Refusal
from instep.chroma.foreign import records as foreign
from instep.errors import DeltaRejected, StorageUnavailable
from receipt_chroma.compaction import CollectionUpdateResult, convergence
from receipt_demo.producer import pack, write_directory
from tests.support.aws import BUCKET
from tests.support.items import Paper
from tests.support.tables import Cloud
from tests.unit.compaction.conftest import WIDTH, Apply, embed

PAPER = Paper()
LAST = PAPER.word_id(1, 20)
GOOD = [PAPER.word_id(1, word) for word in range(1, 20)]
Edit = Callable[[sqlite3.Connection], object]


def nan(database: sqlite3.Connection) -> None:
    _set_vector(database, struct.pack(f"<{WIDTH}f", *[float("nan")] * WIDTH))


def infinite(database: sqlite3.Connection) -> None:
    _set_vector(database, struct.pack(f"<{WIDTH}f", *[float("-inf")] * WIDTH))


def narrow(database: sqlite3.Connection) -> None:
    _set_vector(database, struct.pack(f"<{WIDTH - 1}f", *[1.0] * (WIDTH - 1)))


def cut(database: sqlite3.Connection) -> None:
    _set_vector(database, b"\0\0\0")


def without_vector(database: sqlite3.Connection) -> None:
    _set_vector(database, None)


def strange_id(database: sqlite3.Connection) -> None:
    for table, column in (("embeddings_queue", "id"), ("embeddings", "embedding_id")):
        database.execute(f"UPDATE {table} SET {column} = 'x' WHERE {column} = ?", (LAST,))  # noqa: S608


def of_a_line(database: sqlite3.Connection) -> None:
    for table, column in (("embeddings_queue", "id"), ("embeddings", "embedding_id")):
        values = (PAPER.line_id(1), LAST)
        database.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", values)  # noqa: S608


def mixed_list(database: sqlite3.Connection) -> None:
    _set_fields(database, '{"x": [1, "x"]}')


def nested(database: sqlite3.Connection) -> None:
    _set_fields(database, '{"x": {"y": 1}}')


def half_a_pair(database: sqlite3.Connection) -> None:
    _set_fields(database, '{"x": "\\ud800"}')


def odd_document(database: sqlite3.Connection) -> None:
    _set_fields(database, '{"chroma:document": "\\ud800"}')


def not_json(database: sqlite3.Connection) -> None:
    _set_fields(database, "5")


def _set_fields(database: sqlite3.Connection, fields: str) -> None:
    """Let the metadata lie in the log, as it does until something is read."""
    database.execute("UPDATE embeddings_queue SET metadata = ? WHERE id = ?", (fields, LAST))
    database.execute("DELETE FROM embeddings WHERE embedding_id = ?", (LAST,))
    database.execute("UPDATE max_seq_id SET seq_id = seq_id - 1")


def _set_vector(database: sqlite3.Connection, vector: bytes | None) -> None:
    database.execute("UPDATE embeddings_queue SET vector = ? WHERE id = ?", (vector, LAST))


def put(cloud: Cloud, scratch: Path, *edits: Edit) -> None:
    """Write a delta of twenty words, the last of which is not as it should be."""
    made, ids = scratch / "made", [*GOOD, LAST]
    vectors = [[1.5] * WIDTH for _ in ids]
    write_directory(made, "words", ids, vectors, [{"x": 1}] * 20, ["t"] * 20)
    with sqlite3.connect(made / "chroma.sqlite3") as database:
        for edit in edits:
            edit(database)
    database.close()
    cloud.s3.put_object(Bucket=BUCKET, Key="words/delta/run-1/delta.tar.gz", Body=pack(made))


@pytest.fixture(autouse=True)
def receipt(cloud: Cloud) -> None:
    cloud.put(PAPER.receipt(), PAPER.run(), *(PAPER.word(1, word) for word in range(1, 21)))


@pytest.mark.domain("delta-refused")
@pytest.mark.parametrize("full", [False, True], ids=["empty", "not-empty"])
@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (nan, f"{LAST}: its vector has NaN or infinite numbers"),
        (infinite, f"{LAST}: its vector has NaN or infinite numbers"),
        (narrow, f"{LAST}: the vector has {WIDTH - 1} numbers, the collection's {WIDTH}"),
        (
            mixed_list,
            f"{LAST}: 'x': [1, 'x'] is no list of strings, of bools, of ints or of floats",
        ),
        (
            nested,
            f"{LAST}: 'x': {{'y': 1}} is a dict, no str, bool, int, float or list of one of them",
        ),
        (half_a_pair, f"{LAST}: 'x': '\\ud800' cannot be written in UTF-8"),
        (odd_document, f"{LAST}: the document '\\ud800' is no text"),
        (cut, f"{LAST}: its vector is no FLOAT32"),
        (without_vector, f"{LAST}: it has no vector"),
        (not_json, f"{LAST}: its metadata is no JSON object"),
        (strange_id, "x: is no id of words"),
        (of_a_line, f"{PAPER.line_id(1)}: is no id of words"),
    ],
)
def test_the_others_are_merged_and_the_run_says_which_was_not(
    cloud: Cloud, words: Any, apply: Apply, tmp_path: Path, edit: Edit, named: str, full: bool
) -> None:
    if full:
        embed(words, [PAPER.word_id(9, 9)])
    put(cloud, tmp_path, edit)
    result = apply(PAPER.run_message())
    (failure,) = result.failures
    assert (failure.error, failure.final) == (DeltaRejected.__name__, True)
    assert f"1 of 20 records refused: {named}" in failure.reason
    assert failure.reason.endswith("; the other 19 are merged")
    assert set(words.get()["ids"]) - {PAPER.word_id(9, 9)} == set(GOOD)
    (merge,) = result.delta_merge_results
    assert (merge.merged_vectors, merge.refused) == (19, 1)


def test_what_the_collection_refuses_at_the_write_is_named_too(
    cloud: Cloud, words: Any, apply: Apply, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cloud, tmp_path)
    with _refusing(monkeypatch, LAST, "an empty list"):
        result = apply(PAPER.run_message())
    assert _reason(result).endswith(f"refused: {LAST}: an empty list; the other 19 are merged")
    assert set(words.get()["ids"]) == set(GOOD)


def test_a_healthy_delta_beside_it_is_whole(
    cloud: Cloud, words: Any, apply: Apply, tmp_path: Path
) -> None:
    healthy = Paper("img-2")
    cloud.put(healthy.receipt(), healthy.word(1, 1), healthy.run("run-2"))
    write_directory(
        tmp_path / "good", "words", [healthy.word_id(1, 1)], [[1.0] * WIDTH], [{"x": 1}], ["t"]
    )
    body = pack(tmp_path / "good")
    cloud.s3.put_object(Bucket=BUCKET, Key="words/delta/run-2/delta.tar.gz", Body=body)
    put(cloud, tmp_path, nan)
    result = apply(PAPER.run_message(), healthy.run_message("run-2"))
    assert [failure.index for failure in result.failures] == [0]
    assert set(words.get()["ids"]) == {*GOOD, healthy.word_id(1, 1)}


def test_a_reason_names_hundreds_and_counts_the_rest(
    cloud: Cloud, apply: Apply, tmp_path: Path
) -> None:
    ids = [f"{'strange' * 3} {number}" for number in range(1000)]
    rows = [[1.0] * WIDTH for _ in ids]
    write_directory(tmp_path / "made", "words", ids, rows, [{"x": 1}] * 1000, ["t"] * 1000)
    body = pack(tmp_path / "made")
    cloud.s3.put_object(Bucket=BUCKET, Key="words/delta/run-1/delta.tar.gz", Body=body)
    reason = _reason(apply(PAPER.run_message()))
    assert len(reason) < 16_000
    assert reason.count("is no id of words") > 200
    assert f"and {1000 - reason.count('is no id of words')} more; none is merged" in reason


def test_a_local_disk_that_is_full_is_no_fault_of_the_delta(
    cloud: Cloud, words: Any, apply: Apply, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cloud, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("instep.archive._write", _no_space)
        (failure,) = apply(PAPER.run_message()).failures
    assert (failure.error, failure.final) == (StorageUnavailable.__name__, False)
    assert "No space left" in failure.reason
    assert apply(PAPER.run_message()).failures == []
    assert words.count() == 20


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError(), struct.error("y"), TypeError()])
def test_whatever_reading_one_delta_raises_is_its_own_failure(
    cloud: Cloud, apply: Apply, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: Any) -> Any:
        raise error

    put(cloud, tmp_path)
    monkeypatch.setattr(foreign, "_find", broken)
    (failure,) = apply(PAPER.run_message()).failures
    assert (failure.error, failure.final) == (DeltaRejected.__name__, True)
    assert type(error).__name__ in failure.reason


def _no_space(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def _reason(result: CollectionUpdateResult) -> str:
    (failure,) = result.failures
    return failure.reason


@contextmanager
def _refusing(patch: pytest.MonkeyPatch, id_: str, reason: str) -> Iterator[None]:
    """Let the write of one embedding be refused, as a value chromadb cannot carry is."""
    write = convergence.Convergence.apply

    def refuse(self: Any, touched: Any, records: Any = None) -> convergence.Applied:
        kept = {one: record for one, record in (records or {}).items() if str(one) != id_}
        applied = write(self, touched, kept)
        applied.refusals[id_] = Refusal(reason)
        return applied

    with patch.context() as context:
        context.setattr(convergence.Convergence, "apply", refuse)
        yield
