"""Where everything stands, gathered from the services as plain values: what `status` prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from instep.cli.dead_letters import DeadLetter, dead_letters
from instep.cli.session import Session
from instep.clock import Clock, utc_now
from instep.errors import SnapshotCorrupt, SnapshotUnsupported
from instep.flow.inbox import Depth, Inbox
from instep.flow.lease import LeaseTable
from instep.flow.runner import RunnerState, RunnerTable
from instep.local.executions import rejected_by
from instep.snapshot.copy.inventory import find_head
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.freshness import Freshness, Lag
from instep.snapshot.format.head import Head
from instep.snapshot.format.manifest import Manifest

_EXECUTIONS: Final = 5
_NO_LEASE_IS_TAKEN: Final = timedelta(0)  # the table is only read


@dataclass(frozen=True)
class CollectionStanding:
    """A collection: `version` is None before the first; `bytes` of the snapshot, unpacked.

    `watermark` is the newest stream time applied, `lag` that of the changes the version brought.
    `unreadable` says why the head cannot be read, and what helps: then no version is known.
    """

    collection: str
    version: str | None
    created_at: datetime | None
    embeddings: int
    bytes: int
    watermark: datetime | None
    lag: Lag | None
    leased_by: str | None
    leased_until: datetime | None
    fencing_token: int
    unreadable: str | None = None

    @property
    def freshness(self) -> Freshness:
        """Watermark and lag together."""
        return Freshness(self.watermark, self.lag)


@dataclass(frozen=True)
class Execution:
    """One execution of the state machine; `error` and `cause` only when it failed.

    `rejected` records it put into the DLQ: it succeeds, and somebody should look.
    """

    name: str
    status: str
    started: datetime
    stopped: datetime | None
    error: str | None
    cause: str | None
    arn: str
    rejected: int = 0


@dataclass(frozen=True)
class Standing:
    """All of it, at the instant `at`. `dlq` counts; `dead_letters` are the first of them.

    `alarms` are those that speak now, by their pages in docs/runbook.md; none on the local cloud.
    """

    at: datetime
    collections: Sequence[CollectionStanding]
    inbox: Depth
    runner: RunnerState
    dlq: int
    dead_letters: Sequence[DeadLetter]
    executions: Sequence[Execution]
    alarms: Sequence[str] = ()


def read_standing(
    session: Session, collections: Sequence[str], stack: str = "", clock: Clock = utc_now
) -> Standing:
    """Ask each service once; for its alarms, if the name of the `stack` is given.

    StorageUnavailable when one does not answer. A head that cannot be read is its collection's
    standing, and hides nothing else.
    """
    deployment = session.deployment
    return Standing(
        at=clock(),
        collections=[_collection(session, name) for name in collections],
        inbox=inbox_of(session).depth(),
        runner=RunnerTable(session.dynamodb, deployment.lock_table_name).read(),
        dlq=_count(session, deployment.dlq_url),
        dead_letters=dead_letters(session.target, deployment.dlq_url),
        executions=executions(session, _EXECUTIONS),
        alarms=_speaking(session, stack) if stack and not session.target.local else (),
    )


def inbox_of(session: Session) -> Inbox:
    """Return the inbox of the deployment."""
    return Inbox(session.sqs, session.deployment.inbox_queue_url, session.deployment.dlq_url)


def executions(session: Session, limit: int, *, running: bool = False) -> list[Execution]:
    """Return the latest executions, newest first; only those that run, if asked."""
    machine = session.deployment.state_machine_arn
    client = session.stepfunctions
    if running:
        answer = client.list_executions(
            stateMachineArn=machine, maxResults=limit, statusFilter="RUNNING"
        )
    else:
        answer = client.list_executions(stateMachineArn=machine, maxResults=limit)
    found = []
    for listed in answer["executions"]:
        arn, ended = listed["executionArn"], listed["status"] in {"FAILED", "SUCCEEDED"}
        told: Mapping[str, Any] = client.describe_execution(executionArn=arn) if ended else {}
        found.append(
            Execution(
                name=listed["name"],
                status=listed["status"],
                started=listed["startDate"],
                stopped=listed.get("stopDate"),
                error=told.get("error"),
                cause=told.get("cause"),
                arn=arn,
                rejected=rejected_by(told.get("output")),
            )
        )
    return sorted(found, key=lambda execution: execution.started, reverse=True)


def _speaking(session: Session, stack: str) -> list[str]:
    """Return the alarms of the stack that are in ALARM."""
    pages = session.target.client("cloudwatch").get_paginator("describe_alarms")
    prefix = f"{stack}-"
    listed = [
        alarm for page in pages.paginate(AlarmNamePrefix=prefix) for alarm in page["MetricAlarms"]
    ]
    speaking = [alarm for alarm in listed if alarm["StateValue"] == "ALARM"]
    return [alarm["AlarmName"].removeprefix(prefix) for alarm in speaking]


def _collection(session: Session, name: str) -> CollectionStanding:
    store = SnapshotStore(session.objects, name)
    head, manifest, unreadable = _head(store)
    fresh = Freshness(None, None) if head is None else head.freshness
    table = LeaseTable(session.dynamodb, session.deployment.lock_table_name, _NO_LEASE_IS_TAKEN)
    lease = table.read(name)
    return CollectionStanding(
        collection=name,
        version=None if head is None else head.version,
        created_at=None if manifest is None else datetime.fromisoformat(manifest.created_at),
        embeddings=0 if manifest is None else manifest.facts.embeddings,
        bytes=0 if manifest is None else sum(file.size for file in manifest.files.values()),
        watermark=fresh.watermark,
        lag=fresh.lag,
        leased_by=None if lease is None else lease.owner,
        leased_until=None if lease is None else lease.expires_at,
        fencing_token=0 if lease is None else lease.fencing_token,
        unreadable=unreadable,
    )


def _head(store: SnapshotStore) -> tuple[Head | None, Manifest | None, str | None]:
    """Return HEAD and its manifest, or why there are none: damaged, lost, or of a newer release."""
    try:
        head = find_head(store)
        return head, store.manifest(head.version) if head else None, None
    except (SnapshotCorrupt, SnapshotUnsupported) as error:
        return None, None, str(error)


def _count(session: Session, queue_url: str) -> int:
    answer = session.sqs.get_queue_attributes(
        QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])
