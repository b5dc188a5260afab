"""What may be pasted into the console, and what the answer teaches who pasted another thing."""

import json
from typing import Any

import pytest

from entrypoint.inputs import accepted_records
from instep.errors import InputRejected

EVENT = {"version": "0", "source": "instep", "detail-type": "Compaction Requested", "detail": {}}
SCHEDULED = {"source": "aws.scheduler", "detail-type": "Scheduled Event", "time": "now"}


NESTED: list[Any] = []
for _ in range(100_000):
    NESTED = [NESTED]


@pytest.mark.parametrize("content", [{}, EVENT, SCHEDULED])
def test_these_drain_the_inbox(content: Any) -> None:
    assert accepted_records(content) is None


@pytest.mark.parametrize(
    "records", [[], [{"dynamodb": {}}, {"body": "{}"}], ["not even an object"]]
)
def test_records_are_taken_as_they_are(records: list[Any]) -> None:
    assert accepted_records({"Records": records}) == records


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
        ("x" * 200_000, "200002 characters"),
        ({"k" * 200_000: 1}, "200000 characters"),
        ({"Records": "x" * 200_000}, "200002 characters"),
        (NESTED, "a list"),
        ({"Records": {"0": NESTED}}, "`Records` is an object"),
    ],
)
def test_all_else_is_rejected_with_the_shapes_and_an_example(content: Any, named: str) -> None:
    with pytest.raises(InputRejected) as rejected:
        accepted_records(content)
    message = str(rejected.value)
    assert named in message
    assert "{} (drains the inbox)" in message
    assert len(message) < 1000
    example = message.partition("For example: ")[2]
    assert accepted_records(json.loads(example))
