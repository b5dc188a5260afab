"""The services a test needs, in this process: moto, with the names the functions are given."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from threading import RLock
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.utils import unix_time_millis
from moto.s3.models import s3_backends
from moto.sqs.models import SQSBackend, sqs_backends

from instep.flow.pace import HIDDEN

REGION, ACCOUNT = "us-east-1", "123456789012"
ENTITIES, LOCKS, BUCKET, BUS = "entities", "locks", "snapshots", "default"
DELTAS, FAILURES = "foreign-deltas", "failures"
LONGEST_DELAY = timedelta(minutes=15)  # that SQS takes, and more than any visibility here

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",  # moto may misread one in a binary body
    "DYNAMODB_TABLE_NAME": ENTITIES,
    "LOCK_TABLE_NAME": LOCKS,
    "CHROMADB_BUCKET": BUCKET,
    "EVENT_BUS_NAME": BUS,
    "STACK_NAME": "Instep",
    "DELTA_BUCKETS": DELTAS,
    "LOCK_DURATION_MINUTES": "1",
    "HEARTBEAT_INTERVAL_SECONDS": "15",
    "ROUND_SECONDS": "10",
    "CHROMADB_STORAGE_MODE": "s3",
    "KEEP_VERSIONS": "1",
    "KEEP_DAYS": "7",
    "FOLD_MEMORY_MB": "1769",
    "FOLD_STORAGE_MB": "10240",
    "LOG_LEVEL": "INFO",
    "POWERTOOLS_SERVICE_NAME": "instep",
    "POWERTOOLS_METRICS_NAMESPACE": "EmbeddingWorkflow",
    "POWERTOOLS_TRACE_DISABLED": "true",
}


class Time:
    """The wall clock of the functions and of the queues, ahead of the machine's by what a test let
    pass.
    """

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def pass_(self, span: timedelta) -> None:
        self._ahead += span

    def now(self, zone: tzinfo) -> datetime:
        return datetime.now(zone) + self._ahead  # noqa: TID251 - the clock that is patched in

    def milliseconds(self) -> float:
        return unix_time_millis() + self._ahead.total_seconds() * 1000

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have the engine's one clock, and the visibility of moto's messages, go by this one."""
        monkeypatch.setattr("instep.clock.datetime", SimpleNamespace(now=self.now))
        monkeypatch.setattr("moto.sqs.models.unix_time_millis", self.milliseconds)


@dataclass(frozen=True)
class Services:
    """Clients as a test uses them, the queues' URLs, and the time that all of them go by."""

    dynamodb: Any
    sqs: Any
    s3: Any
    events: Any
    inbox_url: str
    dlq_url: str
    time: Time = field(default_factory=Time)

    def messages(self, url: str) -> list[dict[str, Any]]:
        """Return (and take, without acknowledging) every visible message of a queue."""
        found: list[dict[str, Any]] = []
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            )
            if not answer.get("Messages"):
                return found
            found += answer["Messages"]

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass for functions and queues."""
        self.time.pass_(timedelta(seconds=seconds))

    def outlast_visibility(self) -> None:
        """Let so much time pass that every message is visible again; leases have run out, too."""
        self.time.pass_(LONGEST_DELAY)

    def returning_in(self) -> list[int]:
        """Return in how many seconds each message is visible that is not yet, soonest first."""
        now = self.time.milliseconds()
        until = [max(one.visible_at, one.delayed_until) for one in self._in_the_inbox()]
        return sorted(round((at - now) / 1000) for at in until if at > now)

    def most_received(self) -> int:
        """Return how often the message was received that was received most; 0 for an empty inbox.

        What a redrive policy counts.
        """
        counts = (one.approximate_receive_count for one in self._in_the_inbox())
        return max(counts, default=0)

    def _in_the_inbox(self) -> list[Any]:
        queue = sqs_backends[ACCOUNT][REGION].queues[self.inbox_url.rpartition("/")[2]]
        return list(queue._messages)

    def age_objects(self, span: timedelta) -> None:
        """Make every object of the snapshots' bucket older by this, as when time has passed."""
        for key in s3_backends[ACCOUNT]["aws"].buckets[BUCKET].keys.values():
            key.last_modified -= span


class Context(LambdaContext):
    """What Lambda tells a handler of its call."""

    def __init__(self, function_name: str, left_ms: int = 300_000) -> None:
        self._function_name = function_name
        self._memory_limit_in_mb = 1769
        self._invoked_function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function_name}"
        self._aws_request_id = "request"
        self._left_ms = left_ms

    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override] # static there
        return self._left_ms


@contextmanager
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """Set the functions' environment and make their resources; they end with the block."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    turn = RLock()
    answer = BotocoreStubber.process_request

    def one_at_a_time(stubber: BotocoreStubber, request: Any) -> Any:
        with turn:  # moto's models are not safe for threads
            return answer(stubber, request)

    monkeypatch.setattr(BotocoreStubber, "process_request", one_at_a_time)
    monkeypatch.setattr(SQSBackend, "receive_message", _without_waiting(SQSBackend.receive_message))
    time = Time()
    time.install(monkeypatch)
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        made = _make(time)
        monkeypatch.setenv("INBOX_QUEUE_URL", made.inbox_url)
        monkeypatch.setenv("DLQ_URL", made.dlq_url)
        yield made


def _without_waiting(receive: Callable[..., Any]) -> Callable[..., Any]:
    """Answer a long poll at once: moto is one server, and what it has it has."""

    def receive_at_once(backend: Any, queue_name: str, count: int, _: int, *more: Any) -> Any:
        return receive(backend, queue_name, count, 0, *more)

    return receive_at_once


def _make(time: Time) -> Services:
    dynamodb: Any = boto3.client("dynamodb")
    sqs: Any = boto3.client("sqs")
    s3: Any = boto3.client("s3")
    for name, keys in ((LOCKS, ["collection"]), (ENTITIES, ["PK", "SK"])):
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            KeySchema=[
                {"AttributeName": key, "KeyType": kind}
                for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
        )
    for bucket in (BUCKET, DELTAS, FAILURES):
        s3.create_bucket(Bucket=bucket)
    visibility = {"VisibilityTimeout": str(int(HIDDEN.total_seconds()))}
    inbox = sqs.create_queue(QueueName="inbox", Attributes=visibility)["QueueUrl"]
    dlq = sqs.create_queue(QueueName="dlq")["QueueUrl"]
    return Services(dynamodb, sqs, s3, boto3.client("events"), inbox, dlq, time)
