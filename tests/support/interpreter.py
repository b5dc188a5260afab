"""The synthesized state machines on moto's interpreter, tasks answered by the real handlers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import Event, Lock
from typing import Any, TypeAlias

import boto3
from botocore.exceptions import ClientError

from instep.flow.lock_item import KEY
from tests.support.aws import BUCKET, LOCKS
from tests.support.edges import (
    RUNTIME,
    TIMEOUT,
    Call,
    Edge,
    Flow,
    edges_of,
    edges_taken,
    errors_of,
)
from tests.support.pipeline import FunctionFailed, Payload, Pipeline, Trouble
from tests.support.receipts import Receipt

RECEIPT = Receipt("image-1")
ROLE = "arn:aws:iam::123456789012:role/any"
OTHERS = {"LockToFold": "acquire_lock", "ReleaseLockAfterFold": "release_lock"}

Machine: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """Where something happens: a state of an execution of one of the machines."""

    machine: str
    execution: str
    state: str


@dataclass(frozen=True)
class Execution:
    """A runner's execution that ended: what it said, what it and its rounds called, and how many
    states it entered itself, which is what it costs.
    """

    name: str
    status: str
    output: Any
    error: str
    cause: str
    states: list[str]
    flows: list[Flow]
    machines: Mapping[str, Machine]
    transitions: int

    @cached_property
    def edges(self) -> set[Edge]:
        """Edges taken by the runner and its rounds."""
        return edges_taken(self.machines, self.flows)

    def calls(self, machine: str) -> list[str]:
        """States of one of the machines that were called, in order."""
        flows = [flow for flow in self.flows if flow.machine == machine]
        return [call.state for flow in flows for call in flow.calls]


@dataclass
class Interpreter:
    """Both machines over one pipeline; `tests/support/moto_states.py` has moto ask it."""

    pipeline: Pipeline
    machines: Mapping[str, Machine]
    waits: list[float] = field(default_factory=list)
    _arns: dict[str, str] = field(default_factory=dict)
    _troubles: list[Trouble] = field(default_factory=list)
    _calls: list[tuple[Place, Call]] = field(default_factory=list)
    _ended: list[tuple[str, str, bool]] = field(default_factory=list)
    _red: list[str] = field(default_factory=list)
    _turn: Any = field(default_factory=Lock)  # processes of their own on AWS, one here

    # -- what happens to it

    def fail(
        self,
        machine: str,
        state: str,
        error: str,
        *,
        collection: str | None = None,
        times: int = 1,
        after: bool = False,
        spared: int = 0,
    ) -> None:
        """Let `times` calls of a state of one machine fail, behind those that are `spared`."""
        name = f"{machine}.{state}"
        self._troubles.append(Trouble(name, error, collection, times, after, spared))

    def arrive(self) -> None:
        """Bring a receipt whose deltas feed both collections into the inbox."""
        RECEIPT.upload(self.pipeline.aws.s3, BUCKET)
        merchant = RECEIPT.metadata(merchant_name="shop")
        self.pipeline.ingest(self.pipeline.put(*RECEIPT.items(), merchant, RECEIPT.run()))

    def after_a_death(self) -> None:
        """Let the next round be a large one, as after a runner that died."""
        self.pipeline.aws.dynamodb.update_item(
            TableName=LOCKS,
            Key={"collection": {"S": KEY}},
            UpdateExpression="SET deaths = :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    # -- what is to be seen of it

    def settled(self) -> None:
        """Hold that the leases are free and nothing is lost: what ended red is followed, as the
        rule on such ends has it, and after one more run all has arrived.
        """
        self.followed()
        assert not self.held_leases()
        self.heals()

    def followed(self) -> None:
        """Have the executions that ended red followed, their troubles over."""
        self._troubles.clear()
        for name in self._red:
            assert self.run({"Ended": name}, name=f"after-{name}").status == "SUCCEEDED"
        self._red.clear()

    def heals(self) -> Execution:
        """Hold that after one more run, some time later, all has arrived; return that run."""
        self.pipeline.aws.outlast_visibility()
        healed = self.run(name="heals")
        assert healed.status == "SUCCEEDED", healed.cause
        words = self.pipeline.embeddings("words")
        assert set(words) == {RECEIPT.word_id(word) for word in range(1, 5)}
        assert set(self.pipeline.embeddings("lines")) == {RECEIPT.line_id(1)}
        assert {one["merchant_name"] for one in words.values()} == {"Shop"}
        assert self.pipeline.visible() == []
        assert self.pipeline.rejected() == []
        return healed

    def held_leases(self) -> list[str]:
        """Return the collections that somebody still holds."""
        items = self.pipeline.aws.dynamodb.scan(TableName=LOCKS)["Items"]
        return [item["collection"]["S"] for item in items if "owner" in item]

    def clause(self, machine: str, state: str, kind: str, error: str) -> Edge:
        """Return the definition's edge of this state that names the error."""
        return next(
            edge
            for edge in edges_of(self.machines)
            if (edge.machine, edge.state, edge.kind) == (machine, state, kind)
            and error in errors_of(edge)
        )

    # -- executions

    def run(self, content: object = None, name: str = "run-1") -> Execution:
        """Start the runner with `content` ({} drains the inbox) and wait for its end."""
        self._calls.clear()
        self._ended.clear()
        ended = self._execute("runner", name, {} if content is None else content)
        if ended["status"] != "SUCCEEDED" and "Ended" not in json.loads(ended["input"]):
            self._red.append(name)
        history: Any = boto3.client("stepfunctions").get_paginator("get_execution_history")
        pages = history.paginate(executionArn=ended["executionArn"])
        events = [event["type"] for page in pages for event in page["events"]]
        return Execution(
            name,
            ended["status"],
            json.loads(ended["output"]) if "output" in ended else None,
            ended.get("error", ""),
            ended.get("cause", ""),
            [call.state for _, call in self._calls],
            [
                Flow(machine, self._calls_of(execution), succeeded)
                for machine, execution, succeeded in self._ended
            ],
            self.machines,
            sum(event.endswith("StateEntered") for event in events),
        )

    def start_round(self, place: Place, parameters: Mapping[str, str]) -> Payload:
        """Answer StartSyncExecution as its API reference has it: an execution that failed is no
        error, but has no output.
        """
        name = f"{place.execution}-{len(self._ended)}"
        assert parameters["StateMachineArn"] == self._arns["round"]
        struck = self._struck(place, {})
        if struck is not None and not struck.after:
            self._called(place, Call(place.state, str(struck.error)))
            raise _refused()
        ended = self._execute("round", name, json.loads(parameters["Input"]))
        if struck is not None:
            self._called(place, Call(place.state, str(struck.error)))
            raise _refused()
        failed = None if ended["status"] == "SUCCEEDED" else RUNTIME
        self._called(place, Call(place.state, failed))
        told = ("status", "output", "error", "cause")
        return {name.title(): ended[name] for name in told if name in ended}

    def call(self, place: Place, parameters: Mapping[str, Any]) -> Payload:
        """Answer a function's invocation."""
        payload = json.loads(parameters["Payload"])
        item = payload.get("collection")
        with self._turn:
            struck = self._struck(place, payload)
            try:
                if struck is not None and not struck.after:
                    raise struck.failure()
                answer = self.pipeline.invoke(_function(place.state), payload)
                if struck is not None:
                    raise struck.failure()
            except FunctionFailed as failed:
                self._called(place, Call(place.state, failed.name, item))
                if failed.name == TIMEOUT:
                    raise TimeoutError from failed
                error = {"errorType": failed.name, "errorMessage": failed.cause}
                return {"FunctionError": "Unhandled", "Payload": error}
            self._called(place, Call(place.state, None, item))
            return {"StatusCode": 200, "Payload": answer}

    def waited(self, place: Place, seconds: int) -> None:
        """Let so much time pass in a Wait; in a sync's, the runner that it announced drains."""
        self.pipeline.aws.pass_time(seconds)
        if place.state == "WaitForRoom":
            with self._turn:
                assert self.pipeline.run().succeeded
        self._called(place, Call(place.state))

    def machine_of(self, name: str) -> str:
        """Return which machine bears this name at moto."""
        return next(key for key, arn in self._arns.items() if arn.rpartition(":")[2] == name)

    def _execute(self, machine: str, name: str, content: object) -> Payload:
        client: Any = boto3.client("stepfunctions")
        if not self._arns:
            self._make(client)
        arn = client.start_execution(
            stateMachineArn=self._arns[machine], name=name, input=json.dumps(content)
        )["executionArn"]
        pause = Event()
        ended: Payload = client.describe_execution(executionArn=arn)
        while ended["status"] == "RUNNING":
            pause.wait(0.05)  # each look costs moto milliseconds
            ended = client.describe_execution(executionArn=arn)
        self._ended.append((machine, name, ended["status"] == "SUCCEEDED"))
        return ended

    def _make(self, client: Any) -> None:
        """Make both, the round under the very ARN that the runner starts."""
        start = self.machines["runner"]["States"]["Round"]["Parameters"]["StateMachineArn"]
        names = {"runner": "runner", "round": start.rpartition(":")[2]}
        for machine, kind in (("runner", "STANDARD"), ("round", "EXPRESS")):
            self._arns[machine] = client.create_state_machine(
                name=names[machine],
                definition=json.dumps(self.machines[machine]),
                roleArn=ROLE,
                type=kind,
            )["stateMachineArn"]
        assert self._arns["round"] == start

    def _struck(self, place: Place, payload: Payload) -> Trouble | None:
        name = f"{place.machine}.{place.state}"
        return next((one for one in self._troubles if one.strikes(name, payload)), None)

    def _called(self, place: Place, call: Call) -> None:
        self._calls.append((place, call))

    def _calls_of(self, execution: str) -> list[Call]:
        return [call for place, call in self._calls if place.execution == execution]


def _refused() -> ClientError:
    said = {"Code": "ThrottlingException", "Message": "Rate exceeded"}
    about = {"HTTPStatusCode": 400, "RequestId": "none"}
    response: Any = {"Error": said, "ResponseMetadata": about}
    return ClientError(response, "StartSyncExecution")


def _function(state: str) -> str:
    """AcquireLock -> acquire_lock: a function is named as its state, or as what it does there."""
    words = "".join(f" {letter}" if letter.isupper() else letter for letter in state).split()
    return OTHERS.get(state, "_".join(words).lower())
