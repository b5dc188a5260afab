"""Start an execution and follow it a state at a time, on AWS and on the local cloud.

AWS's history names every state, Map items included. MiniStack's has no states inside a Map but the
calls of their functions, so there a state is known by the function it calls.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

_POLL_SECONDS = 0.2
_FAILURES = ("LambdaFunctionFailed", "LambdaFunctionTimedOut", "LambdaFunctionScheduleFailed")


class StillRunning(Exception):
    """The execution did not end in the time given; it goes on."""


@dataclass(frozen=True)
class Step:
    """A state was entered, left, or failed a try (`error`, `cause`), at an instant.

    `collection` is the Map item's, where the history tells.
    """

    what: Literal["entered", "exited", "failed"]
    state: str
    at: datetime
    error: str | None = None
    cause: str | None = None
    collection: str | None = None


@dataclass(frozen=True)
class Outcome:
    """How an execution ended; `error` and `cause` only when it failed."""

    arn: str
    status: str
    started: datetime
    stopped: datetime
    error: str | None
    cause: str | None

    @property
    def succeeded(self) -> bool:
        """Whether the workflow itself says so."""
        return self.status == "SUCCEEDED"


def start(client: "SFNClient", machine_arn: str, given: str = "{}") -> str:
    """Start an execution with the JSON text `given`; `{}` drains the inbox. Returns its ARN."""
    return client.start_execution(stateMachineArn=machine_arn, input=given)["executionArn"]


def follow(
    client: "SFNClient",
    arn: str,
    report: Callable[[Step], None] | None = None,
    timeout: float = 3600.0,
) -> Outcome:
    """Report each step as it happens and return the outcome; StillRunning after `timeout` s."""
    reader = StepReader(client, arn)
    pause = threading.Event()
    for _ in range(int(timeout / _POLL_SECONDS) + 1):
        found = client.describe_execution(executionArn=arn)  # before the history: none is missed
        for step in reader.new_steps():
            if report is not None:
                report(step)
        if found["status"] not in {"RUNNING", "PENDING_REDRIVE"}:
            return Outcome(
                arn,
                found["status"],
                found["startDate"],
                found["stopDate"],
                found.get("error"),
                found.get("cause"),
            )
        pause.wait(_POLL_SECONDS)
    raise StillRunning(f"{arn} did not end within {timeout:g} s: `instep status` shows it")


class StepReader:
    """Turns an execution's history into steps, each given once."""

    def __init__(self, client: "SFNClient", arn: str) -> None:
        self._client, self._arn = client, arn
        self._seen = 0
        self._where: dict[int, tuple[str, str | None]] = {}
        found = client.describe_state_machine_for_execution(executionArn=arn)
        definition = json.loads(found["definition"])
        self._top = frozenset(definition["States"])
        self._by_function = dict(_functions(definition))

    def new_steps(self) -> Iterator[Step]:
        """Yield the steps that were not yielded before."""
        pages = self._client.get_paginator("get_execution_history").paginate(
            executionArn=self._arn, includeExecutionData=True
        )
        events = [event for page in pages for event in page["events"]]
        for event in events[self._seen :]:
            yield from self._steps(event)
        self._seen = len(events)

    def _steps(self, event: Mapping[str, Any]) -> Iterator[Step]:
        kind, at = event["type"], event["timestamp"]
        where = self._where.get(event.get("previousEventId", 0), ("", None))
        if kind.endswith("StateEntered"):
            details = event["stateEnteredEventDetails"]
            where = (details["name"], _collection(details.get("input")))
            yield Step("entered", where[0], at, collection=where[1])
        elif kind.endswith("StateExited"):
            details = event["stateExitedEventDetails"]
            collection = _collection(details.get("output"))
            yield Step("exited", details["name"], at, collection=collection)
        elif kind in _FAILURES:
            details = event[f"{kind[0].lower()}{kind[1:]}EventDetails"]
            error, cause = details.get("error", kind), details.get("cause")
            yield Step("failed", where[0], at, error, cause, where[1])
        elif kind.startswith("Task"):
            yield from self._task_steps(kind, event, at)
        self._where[event["id"]] = where

    def _task_steps(self, kind: str, event: Mapping[str, Any], at: datetime) -> Iterator[Step]:
        """MiniStack's events of a function's call, by the function's ARN."""
        details = event.get(f"{kind[0].lower()}{kind[1:]}EventDetails", {})
        state = self._by_function.get(details.get("resource", ""))
        if state is None:
            return
        if kind == "TaskFailed":
            yield Step("failed", state, at, details.get("error"), details.get("cause"))
        elif state not in self._top and kind == "TaskScheduled":
            yield Step("entered", state, at)
        elif state not in self._top and kind == "TaskSucceeded":
            yield Step("exited", state, at, collection=_collection(details.get("output")))


def _functions(machine: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, state in machine["States"].items():
        if state["Type"] == "Task":
            yield state["Resource"], name
        inner = state.get("ItemProcessor") or state.get("Iterator")
        if inner:
            yield from _functions(inner)


def _collection(payload: str | None) -> str | None:
    try:
        document = json.loads(payload or "null")
    except ValueError:
        return None
    found = document.get("collection") if isinstance(document, dict) else None
    return found if isinstance(found, str) else None
