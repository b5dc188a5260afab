"""AWS's own history read into steps; the events follow its API reference (GetExecutionHistory),
which MiniStack does not write for states inside a Map.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from instep.local.executions import StepReader

DEFINITION = {
    "StartAt": "Each",
    "States": {
        "Round": {"Type": "Task"},
        "Each": {
            "Type": "Map",
            "ItemProcessor": {
                "StartAt": "Lock",
                "States": {"Lock": {"Type": "Task", "Resource": "f"}},
            },
        },
    },
}


ROUND = "arn:aws:states:us-east-1:123456789012:express:Round:run:1"


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
    """What the reader asks of boto3's client, answered from the first `length` events."""

    def __init__(self, events: Sequence[tuple[int, dict[str, Any]]]) -> None:
        self.events, self.length = events, len(events)

    def describe_state_machine_for_execution(self, **_: object) -> dict[str, str]:
        return {"definition": json.dumps(DEFINITION)}

    def get_paginator(self, _: str) -> "History":
        return self

    def paginate(self, **_: object) -> Iterator[dict[str, Any]]:
        begun = datetime(2026, 1, 1, tzinfo=UTC)
        for number, (previous, event) in enumerate(self.events[: self.length], start=1):
            at = begun + timedelta(seconds=number)
            given = {"id": number, "previousEventId": previous, "timestamp": at, **event}
            yield {"events": [given]}


def test_a_failed_try_is_told_by_state_and_collection_though_items_interleave() -> None:
    history = History(HISTORY)
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


def round_of(answer: dict[str, str]) -> list[tuple[int, dict[str, Any]]]:
    """A round as the runner's history has it (API reference, TaskSucceededEventDetails)."""
    details = {
        "resourceType": "aws-sdk:sfn",
        "resource": "startSyncExecution",
        "output": json.dumps({"ExecutionArn": ROUND, **answer}),
    }
    return [
        (0, {"type": "ExecutionStarted"}),
        (0, entered("Task", "Round", {})),
        (2, {"type": "TaskScheduled", "taskScheduledEventDetails": {"resource": "startSync"}}),
        (3, {"type": "TaskSucceeded", "taskSucceededEventDetails": details}),
    ]


def test_of_a_round_there_is_no_more_than_the_runner_knows() -> None:
    """AWS keeps no history of an Express execution, and is not asked for one."""
    for answer, failed in (
        ({"Status": "SUCCEEDED", "Output": "{}"}, []),
        ({"Status": "TIMED_OUT"}, [(None, None)]),
        ({"Status": "FAILED", "Error": "KeyError", "Cause": "x"}, [("KeyError", "x")]),
    ):
        steps = list(StepReader(cast("Any", History(round_of(answer))), "arn").new_steps())
        assert [(step.what, step.state) for step in steps] == [
            ("entered", "Round"),
            *(("failed", "Round") for _ in failed),
        ]
        assert [(step.error, step.cause) for step in steps if step.what == "failed"] == failed
