"""AWS's own history read into steps; the events follow its API reference (GetExecutionHistory),
which MiniStack does not write for states inside a Map.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from tools.local_cloud.executions import StepReader

DEFINITION = {
    "StartAt": "Each",
    "States": {
        "Each": {
            "Type": "Map",
            "ItemProcessor": {
                "StartAt": "Lock",
                "States": {"Lock": {"Type": "Task", "Resource": "f"}},
            },
        }
    },
}


def entered(kind: str, name: str, given: object) -> dict[str, Any]:
    details = {"name": name, "input": json.dumps(given)}
    return {"type": f"{kind}StateEntered", "stateEnteredEventDetails": details}


HISTORY: list[tuple[int, dict[str, Any]]] = [
    (0, {"type": "ExecutionStarted"}),
    (0, entered("Map", "Each", {})),
    (2, {"type": "MapStateStarted"}),
    (3, {"type": "MapIterationStarted"}),
    (3, {"type": "MapIterationStarted"}),
    (4, entered("Task", "Lock", {"collection": "lines"})),
    (5, entered("Task", "Lock", {"collection": "words"})),
    (6, {"type": "LambdaFunctionScheduled"}),
    (7, {"type": "LambdaFunctionScheduled"}),
    (
        8,
        {
            "type": "LambdaFunctionFailed",
            "lambdaFunctionFailedEventDetails": {"error": "LockBusy", "cause": "held"},
        },
    ),
    (9, {"type": "LambdaFunctionTimedOut", "lambdaFunctionTimedOutEventDetails": {}}),
]


class History:
    """What the reader asks of boto3's client, answered from HISTORY up to `length` events."""

    length = len(HISTORY)

    def describe_state_machine_for_execution(self, **_: object) -> dict[str, str]:
        return {"definition": json.dumps(DEFINITION)}

    def get_paginator(self, _: str) -> "History":
        return self

    def paginate(self, **_: object) -> Iterator[dict[str, Any]]:
        begun = datetime(2026, 1, 1, tzinfo=UTC)
        for number, (previous, event) in enumerate(HISTORY[: self.length], start=1):
            at = begun + timedelta(seconds=number)
            given = {"id": number, "previousEventId": previous, "timestamp": at, **event}
            yield {"events": [given]}


def test_a_failed_try_is_told_by_state_and_collection_though_items_interleave() -> None:
    history = History()
    reader = StepReader(cast("Any", history), "arn")
    history.length = 7
    first = [(step.what, step.state, step.collection) for step in reader.new_steps()]
    assert first == [
        ("entered", "Each", None),
        ("entered", "Lock", "lines"),
        ("entered", "Lock", "words"),
    ]
    history.length = len(HISTORY)
    failed = list(reader.new_steps())
    assert [(step.what, step.state, step.collection) for step in failed] == [
        ("failed", "Lock", "lines"),
        ("failed", "Lock", "words"),
    ]
    assert [step.error for step in failed] == ["LockBusy", "LambdaFunctionTimedOut"]
    assert failed[0].cause == "held"
    assert list(reader.new_steps()) == []
