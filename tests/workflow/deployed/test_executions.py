"""Following an execution: states inside a Map too, and why a try failed, though MiniStack's history
has no states there.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from instep.local.executions import Step, StillRunning, follow, start
from instep.local.target import Target
from tests.support.cloud import HandMadeFunction

SOURCE = """
class LockBusy(Exception):
    pass

def handle(event, context):
    if event.get("collection") == "busy":
        raise LockBusy("held by another")
    return event
"""
ROLE = "arn:aws:iam::000000000000:role/hand-made"


@pytest.fixture(scope="module")
def machine(target: Target) -> Iterator[str]:
    HandMadeFunction.deploy(target, "step", SOURCE)
    HandMadeFunction.deploy(target, "item", SOURCE)
    client = target.client("stepfunctions")
    made = client.create_state_machine(name="small", definition=definition(), roleArn=ROLE)
    yield made["stateMachineArn"]
    client.delete_state_machine(stateMachineArn=made["stateMachineArn"])
    for name in ("step", "item"):
        target.client("lambda").delete_function(FunctionName=name)


def definition() -> str:
    function = "arn:aws:lambda:us-east-1:000000000000:function"
    lock: dict[str, Any] = {
        "Type": "Task",
        "Resource": f"{function}:item",
        "Retry": [{"ErrorEquals": ["LockBusy"], "IntervalSeconds": 1, "MaxAttempts": 1}],
        "Catch": [{"ErrorEquals": ["LockBusy"], "Next": "Later"}],
        "End": True,
    }
    items = {"StartAt": "Lock", "States": {"Lock": lock, "Later": {"Type": "Pass", "End": True}}}
    states = {
        "Parse": {"Type": "Task", "Resource": f"{function}:step", "Next": "Each"},
        "Each": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": items, "Next": "Done?"},
        "Done?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$[0].collection", "StringEquals": "lines", "Next": "Yes"}],
            "Default": "No",
        },
        "Yes": {"Type": "Succeed"},
        "No": {"Type": "Fail", "Error": "CompactionFailed", "Cause": "not lines"},
    }
    return json.dumps({"StartAt": "Parse", "States": states})


@pytest.fixture(scope="module")
def outer(target: Target, machine: str) -> Iterator[str]:
    """A machine that starts the small one and waits for it, as the runner does its rounds."""
    client = target.client("stepfunctions")
    start = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:sfn:startSyncExecution",
        "Parameters": {"StateMachineArn": machine, "Input.$": "States.JsonToString($)"},
        "Next": "Done",
    }
    states = {"Round": start, "Done": {"Type": "Succeed"}}
    definition = json.dumps({"StartAt": "Round", "States": states})
    made = client.create_state_machine(name="outer", definition=definition, roleArn=ROLE)
    yield made["stateMachineArn"]
    client.delete_state_machine(stateMachineArn=made["stateMachineArn"])


def steps_of(target: Target, machine: str, collection: str) -> tuple[list[Step], Any]:
    client = target.client("stepfunctions")
    steps: list[Step] = []
    arn = start(client, machine, json.dumps({"items": [{"collection": collection}]}))
    outcome = follow(client, arn, steps.append, timeout=30)
    return steps, outcome


def test_every_state_with_its_time_map_items_included(target: Target, machine: str) -> None:
    steps, outcome = steps_of(target, machine, "lines")
    assert outcome.succeeded
    assert [(step.what, step.state) for step in steps] == [
        ("entered", "Parse"),
        ("exited", "Parse"),
        ("entered", "Each"),
        ("entered", "Lock"),
        ("exited", "Lock"),
        ("exited", "Each"),
        ("entered", "Done?"),
        ("exited", "Done?"),
        ("entered", "Yes"),
        ("exited", "Yes"),
    ]
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    assert next(step for step in steps if step.state == "Lock" and step.collection) is not None


def test_what_failed_and_why(target: Target, machine: str) -> None:
    steps, outcome = steps_of(target, machine, "busy")
    failed = [step for step in steps if step.what == "failed"]
    assert [(step.state, step.error) for step in failed] == [("Lock", "LockBusy")] * 2
    assert "held by another" in (failed[0].cause or "")
    assert (outcome.status, outcome.error, outcome.cause) == (
        "FAILED",
        "CompactionFailed",
        "not lines",
    )


def test_what_a_round_did_is_shown_within_it(target: Target, outer: str) -> None:
    steps, outcome = steps_of(target, outer, "lines")
    assert outcome.succeeded
    shown = [(step.what, step.state) for step in steps]
    assert shown[0] == ("entered", "Round")
    assert shown[-3:] == [("exited", "Round"), ("entered", "Done"), ("exited", "Done")]
    assert [state for what, state in shown[1:-3] if what == "exited"] == [
        "Parse",
        "Lock",
        "Each",
        "Done?",
        "Yes",
    ]
    assert [step.at for step in steps] == sorted(step.at for step in steps)


def test_a_round_that_failed_says_why(target: Target, outer: str) -> None:
    steps, _ = steps_of(target, outer, "none")
    failed = [step for step in steps if step.what == "failed"]
    assert [(step.state, step.error, step.cause) for step in failed] == [
        ("Round", "CompactionFailed", "not lines")
    ]


def test_waiting_has_an_end(target: Target, machine: str) -> None:
    client = target.client("stepfunctions")
    arn = start(client, machine, '{"items": [{"collection": "lines"}]}')
    with pytest.raises(StillRunning, match="instep status"):
        follow(client, arn, timeout=0)
