"""Start an execution and follow it a state at a time, on AWS and on the local cloud.

AWS's history names every state, Map items included, and has none of a round, which is an Express
execution. MiniStack's has no states inside a Map but the calls of their functions, so there a state
is known by the Map and the function it calls; and it keeps a round's history as any other's.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from instep.cdk.definitions import inner_machine, states_of

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

_POLL_SECONDS = 0.2
START_ROUND = "startSyncExecution"
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
    """How an execution ended; `error` and `cause` only when it failed.

    `rejected` counts the records that it put into the DLQ; one that failed says so in its cause.
    """

    arn: str
    status: str
    started: datetime
    stopped: datetime
    error: str | None
    cause: str | None
    rejected: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether the workflow itself says so."""
        return self.status == "SUCCEEDED"


def start(client: "SFNClient", machine_arn: str, given: str = "{}", name: str | None = None) -> str:
    """Start an execution with the JSON text `given`; `{}` drains the inbox. Returns its ARN."""
    named: Any = {"name": name} if name else {}
    return client.start_execution(stateMachineArn=machine_arn, input=given, **named)["executionArn"]


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
                rejected_by(found.get("output")),
            )
        pause.wait(_POLL_SECONDS)
    raise StillRunning(f"{arn} did not end within {timeout:g} s: `instep status` shows it")


class StepReader:
    """Turns an execution's history into steps, each given once; a round's when it has ended."""

    def __init__(self, client: "SFNClient", arn: str) -> None:
        self._client, self._arn = client, arn
        self._seen = 0
        self._where: dict[int, tuple[str, str | None]] = {}
        found = client.describe_state_machine_for_execution(executionArn=arn)
        self._states: Mapping[str, Any] = json.loads(found["definition"])["States"]
        self._entered = ""  # of the states outside Maps, the last

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
            if where[0] in self._states:
                self._entered = where[0]
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
            details = event.get(f"{kind[0].lower()}{kind[1:]}EventDetails", {})
            if details.get("resource", "").endswith(START_ROUND):
                yield from self._round_steps(kind, details, at)
            else:
                yield from self._function_steps(kind, details, at)
        self._where[event["id"]] = where

    def _function_steps(
        self, kind: str, details: Mapping[str, Any], at: datetime
    ) -> Iterator[Step]:
        """MiniStack's events of a function's call, by the function's ARN."""
        state = called(self._states, self._entered, details.get("resource", ""))
        if state is None:
            return
        if kind == "TaskFailed":
            yield Step("failed", state, at, details.get("error"), details.get("cause"))
        elif state not in self._states and kind == "TaskScheduled":
            yield Step("entered", state, at)
        elif state not in self._states and kind == "TaskSucceeded":
            yield Step("exited", state, at, collection=_collection(details.get("output")))

    def _round_steps(self, kind: str, details: Mapping[str, Any], at: datetime) -> Iterator[Step]:
        """The steps of the round that ended, where its history is kept, and why it failed."""
        answer = json.loads(details.get("output") or "{}")
        failed = answer.get("Status", "SUCCEEDED") != "SUCCEEDED"
        if kind == "TaskSucceeded" and keeps_history(answer["ExecutionArn"]):
            yield from StepReader(self._client, answer["ExecutionArn"]).new_steps()
        if kind == "TaskFailed":
            yield Step("failed", self._entered, at, details.get("error"), details.get("cause"))
        elif failed:
            yield Step("failed", self._entered, at, answer.get("Error"), answer.get("Cause"))


def keeps_history(execution_arn: str) -> bool:
    """Whether the history of a round can be asked for: AWS keeps none of an Express execution."""
    return ":express:" not in execution_arn


def called(states: Mapping[str, Any], entered: str, function_arn: str) -> str | None:
    """Return which state calls this function, when `entered` is the last state outside Maps."""
    state = states.get(entered, {})
    inner = inner_machine(state)
    candidates = [(entered, state)] if inner is None else states_of(inner)
    return next((name for name, one in candidates if one.get("Resource") == function_arn), None)


def _collection(payload: str | None) -> str | None:
    found = _object(payload).get("collection")
    return found if isinstance(found, str) else None


def rejected_by(output: str | None) -> int:
    """Return how many records the tally in an output counts; a sync's output has none: 0."""
    tally = _object(output).get("tally")
    found = tally.get("rejected") if isinstance(tally, dict) else None
    return found if isinstance(found, int) else 0


def _object(payload: str | None) -> Mapping[str, Any]:
    try:
        document = json.loads(payload or "null")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
