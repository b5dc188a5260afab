"""What may be pasted into the console, and what the answer teaches who pasted another thing."""

import json
from typing import Any

import pytest

from instep.errors import InputRejected
from instep.lambda_.inputs import SEGMENTS, Drain, Ended, Given, Pasted, SyncTable
from instep.lambda_.inputs import read_input as read

EVENT = {"version": "0", "source": "instep", "detail-type": "Compaction Requested", "detail": {}}
SCHEDULED = {"source": "aws.scheduler", "detail-type": "Scheduled Event", "time": "now"}


def read_input(content: Any) -> Given:
    return read(content, ["words", "lines"])


NESTED: list[Any] = []
for _ in range(100_000):
    NESTED = [NESTED]


@pytest.mark.parametrize("content", [{}, EVENT, SCHEDULED])
def test_these_drain_the_inbox(content: Any) -> None:
    assert read_input(content) == Drain()


@pytest.mark.parametrize(
    "records", [[], [{"dynamodb": {}}, {"body": "{}"}], ["not even an object"]]
)
def test_records_are_taken_as_they_are(records: list[Any]) -> None:
    assert read_input({"Records": records}) == Pasted(records)


def test_the_end_of_an_execution_is_followed() -> None:
    assert read_input({"Ended": "run-1"}) == Ended("run-1")


@pytest.mark.parametrize(
    ("asked", "sync"),
    [
        ({}, SyncTable(["lines", "words"], SEGMENTS)),
        ({"collections": ["words", "words"]}, SyncTable(["words"], SEGMENTS)),
        ({"segments": 40, "collections": ["lines"]}, SyncTable(["lines"], 40)),
    ],
)
def test_a_whole_table_is_gone_through(asked: Any, sync: SyncTable) -> None:
    assert read_input({"Sync": asked}) == sync


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("drain", "a string"),
        ([{"dynamodb": {}}], "a list"),
        (None, "null"),
        (7, "a number"),
        (True, "a boolean"),
        ({"records": []}, "the keys records"),
        ({"Records": [], "more": 1}, "the keys Records, more"),
        ({"Records": {"0": {}}}, "`Records` is an object"),
        ({"Records": "all"}, "`Records` is a string"),
        ({"source": "instep"}, "the keys source"),
        ({"Ended": ["run-1"]}, "the keys Ended"),
        ({"Sync": "all"}, "`Sync` is a string"),
        ({"Sync": {"collection": "words"}}, "`Sync` is an object"),
        ({"Sync": {"collections": "words"}}, "`Sync.collections` is a string"),
        ({"Sync": {"collections": []}}, "`Sync.collections` is a list"),
        ({"Sync": {"collections": ["letters"]}}, "there are lines, words"),
        ({"Sync": {"collections": [["words"]]}}, "there are lines, words"),
        ({"Sync": {"segments": 0}}, "`Sync.segments` is a number"),
        ({"Sync": {"segments": 41}}, "`Sync.segments` is a number"),
        ({"Sync": {"segments": True}}, "`Sync.segments` is a boolean"),
        ({"Sync": {"segments": "4"}}, "`Sync.segments` is a string"),
        ("x" * 200_000, "200002 characters"),
        ({"k" * 200_000: 1}, "200000 characters"),
        ({"Records": "x" * 200_000}, "200002 characters"),
        (NESTED, "a list"),
        ({"Records": {"0": NESTED}}, "`Records` is an object"),
    ],
)
def test_all_else_is_rejected_with_the_shapes_and_an_example(content: Any, named: str) -> None:
    with pytest.raises(InputRejected) as rejected:
        read_input(content)
    message = str(rejected.value)
    assert named in message
    assert "{} (drains the inbox)" in message
    assert len(message) < 1200
    example = message.partition("For example: ")[2]
    assert isinstance(read_input(json.loads(example)), Pasted)
