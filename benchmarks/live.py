"""The app deployed on a cloud of its own and left to itself: every trigger on, nobody starts it.

A benchmark writes to the table and watches the heads, as any user does.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import Any

from botocore.config import Config

from benchmarks.cloud_app import RunFailed
from benchmarks.function_logs import FunctionLogs
from benchmarks.papers import Papers
from instep.cli.drift import read_everything
from instep.cli.filling import put_items
from instep.cli.session import Session
from instep.cli.standing import inbox_of
from instep.local.deploy import deploy
from instep.local.executions import start
from instep.local.fault_proxy import FaultProxy
from instep.local.launcher import LocalCloud
from instep.local.target import Target
from instep.snapshot.copy.store import SnapshotStore

COLLECTIONS = ("lines", "words")

_POLL_SECONDS = 0.25
_AT_REST = 8  # polls in a row: a change may still be in the table's stream
_COME_SECONDS = 3_600.0
_LOOK_SECONDS = 0.1
_WORKING_SECONDS = 900.0  # longer than any backlog here takes


@dataclass(frozen=True)
class LiveApp:
    """A deployed app with its triggers on."""

    session: Session

    @property
    def target(self) -> Target:
        """The cloud."""
        return self.session.target

    @cached_property
    def logs(self) -> FunctionLogs:
        """What its functions said."""
        return FunctionLogs(self.target)

    @cached_property
    def writer(self) -> Any:
        """A DynamoDB client for many threads."""
        return self.target.client("dynamodb", Config(max_pool_connections=16))

    @property
    def table(self) -> str:
        """The entity table."""
        return self.session.deployment.dynamodb_table_name

    def write(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Write items to the entity table, 25 a call and a few calls at a time."""
        put_items(self.writer, self.table, items)

    def put(self, item: Mapping[str, Any]) -> None:
        """Write one item to the entity table."""
        self.writer.put_item(TableName=self.table, Item=item)

    def seed(self, papers: Papers, collections: Sequence[str] = COLLECTIONS) -> None:
        """Bring the papers into the heads, and wait until the app is at rest."""
        before = self.embeddings(collections)
        wanted = {name: before[name] + papers.embeddings(name) for name in collections}
        self.write(papers.items())
        self.write(papers.upload(self.session.objects, collections))
        until(lambda: self.embeddings(collections) == wanted, "the papers are in the heads")
        self.rest(60.0)

    def embeddings(self, collections: Sequence[str] = COLLECTIONS) -> dict[str, int]:
        """Return how many embeddings each head says it carries."""
        stores = [SnapshotStore(self.session.objects, collection) for collection in collections]
        heads = [(store, store.head()) for store in stores]
        return {
            store.collection: store.manifest(head.version).facts.embeddings if head else 0
            for store, head in heads
        }

    def waiting(self) -> tuple[int, int]:
        """Return how many messages the inbox holds: to be had now, and in all."""
        depth = inbox_of(self.session).depth()
        return depth.visible, depth.visible + depth.in_flight + depth.delayed

    def running(self) -> list[str]:
        """Return the ARNs of the executions that run."""
        found = self.session.stepfunctions.list_executions(
            stateMachineArn=self.session.deployment.state_machine_arn, statusFilter="RUNNING"
        )
        return [execution["executionArn"] for execution in found["executions"]]

    def executions(self, since: datetime) -> list[Any]:
        """Return the executions started since then, as the service lists them."""
        pages = self.session.stepfunctions.get_paginator("list_executions").paginate(
            stateMachineArn=self.session.deployment.state_machine_arn
        )
        listed = [execution for page in pages for execution in page["executions"]]
        return [execution for execution in listed if execution["startDate"] >= since]

    def rest(self, bound: float, done: Callable[[], bool] = lambda: True) -> int:
        """Wait until the inbox is empty, nothing runs and all is `done`; return what is left in it.

        Given up once nothing has run for `bound` seconds.
        """
        pause, quiet, idle = threading.Event(), 0, monotonic()
        ends = idle + _WORKING_SECONDS
        while monotonic() < ends:
            left, running = self.waiting()[1], self.running()
            quiet = 0 if left or running or not done() else quiet + 1
            idle = monotonic() if running else idle
            if quiet >= _AT_REST or monotonic() - idle > bound:
                return left
            pause.wait(_POLL_SECONDS)
        return self.waiting()[1]

    def nudge(self) -> None:
        """Start an execution by hand, and wait until it has emptied the inbox if it can."""
        start(self.session.stepfunctions, self.session.deployment.state_machine_arn)
        self.rest(30.0)

    def differences(self) -> int:
        """Return how much the oracle finds that the heads do not say as the table does."""
        reading = read_everything(self.session, COLLECTIONS)
        return len(reading.differences) + len(reading.unreadable)


def until(probe: Callable[[], bool], what: str, seconds: float = _COME_SECONDS) -> None:
    """Wait until `probe` says yes; RunFailed after so many seconds."""
    pause, ends = threading.Event(), monotonic() + seconds
    while not probe():
        if monotonic() > ends:
            raise RunFailed(f"not within {seconds:g} s: {what}")
        pause.wait(_LOOK_SECONDS)


@contextmanager
def live_app(
    scratch: Path, context: Mapping[str, str] | None = None, proxy: FaultProxy | None = None
) -> Iterator[LiveApp]:
    """Start a cloud whose state lies in `scratch`, deploy with `context` over cdk.json's.

    With a `proxy` that answers already, the functions' calls go through it.
    """
    through = proxy.endpoint if proxy else None
    cloud = LocalCloud.start(scratch, functions_endpoint=through, tied=True)
    try:
        if proxy:
            proxy.upstream = cloud.endpoint
        target = Target.of(cloud)
        yield LiveApp(Session(target, deploy(target, context)))
    finally:
        cloud.stop()
