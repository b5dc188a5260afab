"""Every file of examples/ does what the README says of it."""

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from instep.app import DEFAULT_STACK
from receipt_dynamo_stream import build_messages_from_records
from tests.support.aws import BUCKET
from tests.unit.cli.conftest import Cli

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def read(name: str) -> Any:
    return json.loads((EXAMPLES / name).read_text())


@pytest.mark.parametrize("name", ["console_input.json", "console_input_sqs.json"])
def test_every_record_of_a_console_input_becomes_a_message(name: str) -> None:
    records = read(name)["Records"]
    for record in records:
        assert build_messages_from_records([record]), record


def test_both_console_inputs_tell_of_the_same_receipt() -> None:
    said = [
        {
            (message.entity_data["image_id"], message.entity_data["receipt_id"])
            for message in build_messages_from_records(read(name)["Records"])
        }
        for name in ("console_input.json", "console_input_sqs.json")
    ]
    assert said[0] == said[1]
    assert len(said[0]) == 1


def test_the_event_is_taken_by_the_bus_and_asks_for_a_run(cli: Cli) -> None:
    assert cli
    entries = read("event.json")
    assert boto3.client("events").put_events(Entries=entries)["FailedEntryCount"] == 0
    assert [(each["Source"], each["DetailType"]) for each in entries] == [
        ("instep", "Compaction Requested")
    ]
    assert json.loads(entries[0]["Detail"]) == {"stack": DEFAULT_STACK}  # whose run is asked for


def test_the_reader_prints_words_with_the_label(
    cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    milk = {"text": "MILK", "merchant_name": "Corner Pantry", "valid_labels_array": ["PRODUCT"]}
    version = cli.publish("words", {"a": milk, "b": {"text": "TOTAL"}})
    runpy.run_path(str(EXAMPLES / "read_snapshot.py"))["main"](f"s3://{BUCKET}", "PRODUCT")
    printed = capsys.readouterr().out
    assert f"{version}: 2 embeddings" in printed
    assert "MILK" in printed
    assert "TOTAL" not in printed


def test_the_follower_sees_what_is_published_and_can_look_back(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    milk = {"text": "MILK"}
    first = cli.publish("words", {"a": milk})
    published: list[str] = []

    def enter() -> Iterator[str]:
        """Somebody presses return, then again after a run, then ends."""
        yield "?\n"
        published.append(cli.publish("words", {"a": milk, "b": milk}))
        yield "?\n"
        yield "\n"

    keys = enter()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(readline=lambda: next(keys)))
    follow = runpy.run_path(str(EXAMPLES / "follow_snapshot.py"))["main"]
    follow(f"s3://{BUCKET}", str(tmp_path / "copies"))
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        f"{first}: 1 words",
        "nothing new",
        f"{published[0]}: 2 words",
        "it began with 1",
    ]
    assert "bytes" in said.err
