"""The synthesized state machine on moto's interpreter, its tasks answered by the real handlers.

It leans on four things inside moto 5.2 (moto/stepfunctions/parser): a Lambda task calls
`lambda_eval_utils._invoke_lambda_function(parameters, region, state_credentials)` and reads
`Payload` and `FunctionError` of its answer; a task that raises TimeoutError is a States.Timeout;
a retrier waits by `retrier_decl.time.sleep`, which would make a busy lease take a minute; and it
counts under `EvalComponent.heap_key`, made at first use, so that two items of a Map that fail at
once may make two and one of them is granted a try too many.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event, Lock
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils

from tests.support.aws import BUCKET, LOCKS
from tests.support.edges import Call, Edge, all_states, edges_of, edges_taken, errors_of
from tests.support.pipeline import FunctionFailed, Pipeline
from tests.support.receipts import Receipt

RECEIPT = Receipt("image-1")
ROLE = "arn:aws:iam::123456789012:role/any"
TIMEOUT = "States.Timeout"


@dataclass(frozen=True)
class Execution:
    """An execution that ended: what it said, and the calls of its tasks in order."""

    status: str
    output: Any
    error: str
    cause: str
    calls: list[Call]
    edges: set[Edge]

    @property
    def states(self) -> list[str]:
        """States that were called, in order."""
        return [call.state for call in self.calls]


@dataclass
class Interpreter:
    """One definition over one pipeline."""

    pipeline: Pipeline
    definition: Mapping[str, Any]
    waits: list[float] = field(default_factory=list)
    _calls: list[Call] = field(default_factory=list)
    _turn: Any = field(default_factory=Lock)  # processes of their own on AWS, one here

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Answer moto's Lambda tasks; let its retriers wait for nothing and count rightly."""
        monkeypatch.setattr(lambda_eval_utils, "_invoke_lambda_function", self._answer)
        monkeypatch.setattr(retrier_decl, "time", SimpleNamespace(sleep=self.waits.append))
        monkeypatch.setattr(EvalComponent, "heap_key", property(lambda one: str(id(one))))

    def arrive(self) -> None:
        """Bring a receipt whose deltas feed both collections into the inbox."""
        RECEIPT.upload(self.pipeline.aws.s3, BUCKET)
        merchant = RECEIPT.metadata(merchant_name="shop")
        self.pipeline.ingest(self.pipeline.put(*RECEIPT.items(), merchant, RECEIPT.run()))

    def settled(self) -> None:
        """Hold that the leases are free and nothing is lost: after one more run all has arrived."""
        assert not self.held_leases()
        self.pipeline.troubles.clear()
        self.pipeline.aws.outlast_visibility()
        healed = self.run(name="heals")
        assert healed.status == "SUCCEEDED", healed.cause
        words = self.pipeline.embeddings("words")
        assert set(words) == {RECEIPT.word_id(word) for word in range(1, 5)}
        assert set(self.pipeline.embeddings("lines")) == {RECEIPT.line_id(1)}
        assert {one["merchant_name"] for one in words.values()} == {"Shop"}
        assert self.pipeline.rejected() == []

    def held_leases(self) -> list[str]:
        """Return the collections that somebody still holds."""
        items = self.pipeline.aws.dynamodb.scan(TableName=LOCKS)["Items"]
        return [item["collection"]["S"] for item in items if "owner" in item]

    def clause(self, state: str, kind: str, error: str) -> Edge:
        """Return the definition's edge of this state that names the error."""
        return next(
            edge
            for edge in edges_of(self.definition)
            if (edge.state, edge.kind) == (state, kind) and error in errors_of(edge)
        )

    def run(self, content: object = None, name: str = "run-1") -> Execution:
        """Start an execution with `content` ({} drains the inbox) and wait for its end."""
        client = boto3.client("stepfunctions")
        machine = client.create_state_machine(
            name=name, definition=json.dumps(self.definition), roleArn=ROLE
        )["stateMachineArn"]
        self._calls.clear()
        arn = client.start_execution(
            stateMachineArn=machine,
            name=name,
            input=json.dumps({} if content is None else content),
        )["executionArn"]
        ended: Any = client.describe_execution(executionArn=arn)
        pause = Event()
        while ended["status"] == "RUNNING":
            pause.wait(0.01)
            ended = client.describe_execution(executionArn=arn)
        calls = list(self._calls)
        succeeded = ended["status"] == "SUCCEEDED"
        return Execution(
            ended["status"],
            json.loads(ended["output"]) if "output" in ended else None,
            ended.get("error", ""),
            ended.get("cause", ""),
            calls,
            edges_taken(self.definition, calls, succeeded=succeeded),
        )

    def _answer(self, parameters: Any, **_: Any) -> dict[str, Any]:
        payload = json.loads(parameters["Payload"])
        state = self._state_of(parameters["FunctionName"])
        with self._turn:
            call = Call(state, None, payload.get("collection"))
            try:
                answer = self.pipeline.invoke(_function(state), payload)
            except FunctionFailed as failed:
                self._calls.append(Call(state, failed.name, call.item))
                if failed.name == TIMEOUT:
                    raise TimeoutError from failed
                error = {"errorType": failed.name, "errorMessage": failed.cause}
                return {"FunctionError": "Unhandled", "Payload": error}
            self._calls.append(call)
            return {"StatusCode": 200, "Payload": answer}

    def _state_of(self, function: str) -> str:
        for name, state in all_states(self.definition).items():
            if state.get("Resource") == function:
                return name
        raise AssertionError(f"no state calls {function}")


def _function(state: str) -> str:
    """AcquireLock -> acquire_lock: a function is named as its state."""
    words = "".join(f" {letter}" if letter.isupper() else letter for letter in state).split()
    return "_".join(words).lower()
