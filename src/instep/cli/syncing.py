"""A sync's execution: found if one runs, else started; how far it is; and what came of it."""

import json
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Any, Final
from uuid import uuid4

from instep.cli.drift import Progress
from instep.cli.rollback import who
from instep.cli.session import Session
from instep.cli.standing import executions, inbox_of
from instep.cli.wait import under_way
from instep.clock import utc_now
from instep.errors import SnapshotCorrupt
from instep.flow.lease import LeaseTable
from instep.flow.sync import Segment
from instep.local.executions import StillRunning, start
from instep.snapshot.copy.store import SnapshotStore

PREFIX: Final = "sync-"
_POLL_SECONDS: Final = 0.5
_NEWEST: Final = 200  # events of a history: what each segment came to last is among them
_AT_REST: Final = 4  # polls in a row
_MOVES: Final = 3  # of a head
_APPLYING: Final = 600.0  # seconds, of what an inbox holds that is no more than full
_LEASE: Final = timedelta(minutes=1)


@dataclass
class Followed:
    """An execution as far as it is; `error` and `cause` only when it failed."""

    arn: str
    status: str = "RUNNING"
    segments: dict[int, Segment] = field(default_factory=dict)
    error: str | None = None
    cause: str | None = None

    @property
    def seen(self) -> int:
        """Items that were looked at."""
        return sum(segment.seen for segment in self.segments.values())

    @property
    def sent(self) -> int:
        """Records that were queued, and parts of ids."""
        return sum(segment.sent for segment in self.segments.values())


@dataclass(frozen=True)
class Written:
    """What versions brought: how many there are, and their notes added up."""

    versions: int
    counts: Mapping[str, int]


def find_or_start(session: Session, collections: Sequence[str]) -> tuple[str, bool]:
    """Return the ARN of an execution that goes through these collections, and whether it is new.

    One that runs is as good: whatever changed since it began, the stream tells.
    """
    machine = session.deployment.state_machine_arn
    asked = json.dumps({"Sync": {"collections": sorted(collections)}})
    for one in executions(session, 100, running=True):
        if one.name.startswith(PREFIX):
            found = session.stepfunctions.describe_execution(executionArn=one.arn)
            if found.get("input") == asked:
                return one.arn, False
    name = f"{PREFIX}{utc_now():%Y%m%dT%H%M%S%f}"
    return start(session.stepfunctions, machine, asked, name), True


def follow_sync(session: Session, arn: str, timeout: float, progress: Progress) -> Followed:
    """Follow the execution to its end; StillRunning after `timeout` seconds, and it goes on."""
    followed, ends, pause = Followed(arn), monotonic() + timeout, threading.Event()
    table = session.deployment.dynamodb_table_name
    items = session.dynamodb.describe_table(TableName=table)["Table"].get("ItemCount", 0)
    while monotonic() < ends:
        found = session.stepfunctions.describe_execution(executionArn=arn)
        followed.segments |= _newest(session, arn)
        waits = any(segment.waits for segment in followed.segments.values())
        room = f"; {inbox_of(session).depth().visible:,} in the inbox" if waits else ""
        progress(f"{followed.seen:,} items seen of about {items:,}{room}")
        if found["status"] != "RUNNING":
            followed.status = found["status"]
            followed.error, followed.cause = found.get("error"), found.get("cause")
            followed.segments |= _through(found.get("output"))
            return followed
        pause.wait(_POLL_SECONDS)
    raise StillRunning(f"{arn} did not end within {timeout:g} s: start this again to follow it")


def drained(
    session: Session, collections: Sequence[str], timeout: float, progress: Progress
) -> bool:
    """Wait until all that a sync has queued is applied; return whether that came about.

    Either nothing is under way, or live changes are: then a round that began after the sync is
    through once a head has moved three times, the round's before it and that one's fold included.
    """
    ends, pause, quiet = monotonic() + min(timeout, _APPLYING), threading.Event(), 0
    moves, heads = Counter[str](), _written_heads(session, collections)
    while monotonic() < ends:
        busy = under_way(session)
        quiet = 0 if busy else quiet + 1
        found = _written_heads(session, collections)
        moves.update(name for name in collections if found[name] != heads[name])
        heads = found
        if quiet == _AT_REST or max(moves.values(), default=0) >= _MOVES:
            return True
        progress(f"all of it is queued; {busy or 'nothing under way'}")
        pause.wait(_POLL_SECONDS)
    return False


def _written_heads(session: Session, collections: Sequence[str]) -> dict[str, str | None]:
    """Return what the heads name that runs write to: a successor's, where one is being built."""
    from instep.snapshot.acts.anew import writing_to

    stores = [
        writing_to(SnapshotStore(session.objects, name), session.domain.collections[name].identity)
        for name in collections
    ]
    heads = zip(collections, [store.head() for store in stores], strict=True)
    return {name: head.version if head else None for name, head in heads}


def take_over_successors(session: Session, collections: Sequence[str]) -> list[str]:
    """Let what was built anew take over, now that it has the whole table; return whose head moved.

    LockBusy while a run works on the collection: sync again.
    """
    # Here, so that a command that writes nothing does not load what stages and publishes.
    from instep.snapshot.acts.anew import take_over

    taken = []
    for name in collections:
        identity = session.domain.collections[name].identity
        store = SnapshotStore(session.objects, name)
        if identity and identity in store.successors():
            leases = LeaseTable(session.dynamodb, session.deployment.lock_table_name, _LEASE)
            lease = leases.acquire(name, who(), uuid4().hex)
            try:
                take_over(store, identity, who())
            finally:
                leases.release(lease)
            taken.append(name)
    return taken


def heads_of(session: Session, collections: Sequence[str]) -> dict[str, str | None]:
    """Return the version that each head names."""
    heads = {name: SnapshotStore(session.objects, name).head() for name in collections}
    return {name: head.version if head else None for name, head in heads.items()}


def written_since(session: Session, before: Mapping[str, str | None]) -> dict[str, Written]:
    """Add up the notes of all versions since `before`, which may have brought live changes too."""
    return {name: _written(session, name, version) for name, version in before.items()}


def _written(session: Session, collection: str, before: str | None) -> Written:
    store, versions, counts = SnapshotStore(session.objects, collection), 0, Counter[str]()
    head = store.head()
    version = head.version if head else None
    while version is not None and version != before:
        try:
            manifest = store.manifest(version)
        except SnapshotCorrupt:
            break  # swept by now
        versions += 1
        counts.update(_counts(manifest.note.items()))
        version = manifest.parent
    return Written(versions, dict(counts))


def _counts(note: Iterable[tuple[str, Any]]) -> dict[str, int]:
    return {name: value for name, value in note if type(value) is int and name != "messages"}


def _newest(session: Session, arn: str) -> dict[int, Segment]:
    """Return where each segment was last, as far as the end of the history tells."""
    events = session.stepfunctions.get_execution_history(
        executionArn=arn, reverseOrder=True, maxResults=_NEWEST, includeExecutionData=True
    )["events"]
    found: dict[int, Segment] = {}
    for event in events:
        for details in event.values():
            output = details.get("output") if isinstance(details, dict) else None
            answer = _read(output)
            if isinstance(answer, dict) and "then" in answer and "segment" in answer:
                segment = Segment.from_payload(answer["segment"])
                found.setdefault(segment.number, segment)
    return found


def _through(output: str | None) -> dict[int, Segment]:
    """Return what each segment came to, by the output of an execution that came through."""
    answer = _read(output)
    items = answer.get("sync", {}).get("segments", []) if isinstance(answer, dict) else []
    found = [Segment.from_payload(item["segment"]) for item in items]
    return {segment.number: segment for segment in found}


def _read(output: Any) -> Any:
    try:
        return json.loads(output) if isinstance(output, str) else None
    except ValueError:
        return None
