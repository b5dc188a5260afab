"""What an execution and its rounds called, read from the histories that MiniStack keeps of both."""

import json
from collections.abc import Mapping
from typing import Any

from instep.local.executions import START_ROUND, called
from tests.support.edges import RUNTIME, Call, Flow, Machines


def flows_of(client: Any, arn: str, machines: Machines) -> tuple[list[Flow], int]:
    """Return the execution with this ARN and its rounds, each with its calls in the order they
    ended, and how many states outside its Maps the execution itself entered.
    """
    flow, rounds = _flow(client, arn, "runner", machines)
    entered = [event for event in _events(client, arn) if event["type"].endswith("StateEntered")]
    return [flow, *rounds], len(entered)


def _events(client: Any, arn: str) -> list[Mapping[str, Any]]:
    pages = client.get_paginator("get_execution_history").paginate(executionArn=arn)
    return [event for page in pages for event in page["events"]]


def _flow(client: Any, arn: str, machine: str, machines: Machines) -> tuple[Flow, list[Flow]]:
    states, entered = machines[machine]["States"], ""
    calls: list[Call] = []
    rounds: list[Flow] = []
    for event in _events(client, arn):
        kind = event["type"]
        if kind.endswith("StateEntered"):
            entered = event["stateEnteredEventDetails"]["name"]
            if kind == "WaitStateEntered":
                calls.append(Call(entered))
        elif kind in {"TaskSucceeded", "TaskFailed"}:
            details = event[f"{kind[0].lower()}{kind[1:]}EventDetails"]
            state, error = called(states, entered, details["resource"]), details.get("error")
            if details["resource"].endswith(START_ROUND) and kind == "TaskSucceeded":
                answer = json.loads(details["output"])
                rounds.append(_flow(client, answer["ExecutionArn"], "round", machines)[0])
                error = None if answer["Status"] == "SUCCEEDED" else RUNTIME
            assert state is not None
            calls.append(Call(state, error))
    ended = client.describe_execution(executionArn=arn)["status"]
    return Flow(machine, calls, ended == "SUCCEEDED"), rounds
