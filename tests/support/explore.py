"""Every state that two paused writers and their world can come to, and every step between them.

A state is HEAD, the lease, the clock, and for each writer the answers it has had (`replay`). From
every state each step that can follow is taken, in earnest, by the code the functions run. Between
reading HEAD and confirming the lease a writer only makes objects nobody else looks at, so that
materialise, apply and stage are part of the step before them, and are done once for each head.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from instep.errors import LeaseLost, LockBusy, SnapshotConflict
from instep.flow.lease import Lease, LeaseTable
from instep.snapshot.acts.publish import Staged, publish
from instep.snapshot.format.head import HeadName
from tests.support.aws import LOCKS
from tests.support.replay import Answer, Paused, Replay, replaying
from tests.support.snapshots import NAME, World, updates

DURATION: Final = timedelta(minutes=5)
ATTEMPTS: Final = 3  # of the workflow, to apply on a head that moved
PUBLISHED, BUSY, DEFERRED = "published", "busy", "deferred"
FAILED, IGNORED = "failed", "ignored"
WHOLE: Final = "the whole path"
UNANSWERED: Final = "acquire without an answer, then release"
FIRST_TRY: Final = "acquire, when another try has been answered already"
_KEY: Final = {"collection": {"S": NAME}}


@dataclass(frozen=True)
class Writer:
    """A paused execution, which writes a field of its name; deferred, it starts again.

    `starts` is how often it may, None for as often as it takes; `course` is what of the path it
    goes; `passes` numbers its passes, a busy lease not counted: such a pass was never begun.
    """

    name: str
    owner: str
    starts: int | None = None
    course: str = WHOLE
    passes: int = 0
    answers: tuple[Answer, ...] = ()
    outcome: str | None = None

    @property
    def request(self) -> str:
        """What it asks the lease for: two of one owner and one pass are tries of one state."""
        return f"{self.owner} {self.passes}"

    @property
    def is_over(self) -> bool:
        """Whether it will do nothing more."""
        return self.outcome == PUBLISHED or self.starts == 0

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for writers that will do the same."""
        told = (answer.told for answer in self.answers)
        return (self.is_over, self.starts, self.passes, *told)

    def ended(self, outcome: str) -> "Writer":
        """The writer after a run: over, or about to start anew."""
        starts = None if self.starts is None else self.starts - 1
        passes = self.passes + (outcome != BUSY)
        return replace(self, starts=starts, passes=passes, answers=(), outcome=outcome)


@dataclass(frozen=True)
class State:
    """All that decides what can happen next; `events` are those still to come, or not."""

    writers: tuple[Writer, ...]
    head: bytes
    lease: Mapping[str, Any]
    now: datetime
    events: tuple["Event", ...]

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for states from which the same can follow."""
        lease = tuple(sorted((name, str(value)) for name, value in self.lease.items()))
        return (*(w.key for w in self.writers), self.head, lease, self.now, self.events)

    @property
    def version(self) -> str:
        """What HEAD names."""
        return str(json.loads(self.head)["content"]["version"])

    @property
    def tokens(self) -> tuple[int, int]:
        """The fencing tokens in HEAD and in the lock table."""
        held = self.lease.get("fencing_token", {"N": "0"})["N"]
        return int(json.loads(self.head)["content"]["fencing_token"]), int(held)


Event: TypeAlias = Callable[[State], State | None]
"""What may happen to the world once, at any moment; None where it would change nothing."""


def expiry(state: State) -> State | None:
    """Time passes until the lease that is held has expired."""
    expires = state.lease.get("expires_at")
    if expires is None or float(expires["N"]) < state.now.timestamp():
        return None
    return replace(state, now=state.now + 2 * DURATION)


def freed_by_hand(state: State) -> State | None:
    """Somebody takes the owner out of the lock table."""
    if "owner" not in state.lease:
        return None
    kept = {name: state.lease[name] for name in ("collection", "fencing_token", "request")}
    return replace(state, lease=kept)


def deleted_by_hand(state: State) -> State | None:
    """Somebody deletes the item, and with it the count of tokens."""
    return replace(state, lease={}) if state.lease else None


@dataclass(frozen=True)
class Step:
    """What took a state to another: a writer's call, or an event; `outcome` when a run ended."""

    by: str
    before: State
    after: State
    outcome: str | None = None


@dataclass
class Explorer:
    """Explores one world, which has a version."""

    world: World
    _now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    _staged: dict[tuple[object, ...], Staged] = field(default_factory=dict)
    _head: bytes = b""
    _lease: Mapping[str, Any] = field(default_factory=dict)
    _replay: Replay = field(default_factory=lambda: Replay([]))

    def __post_init__(self) -> None:
        client = self.world.aws.dynamodb
        self._leases = LeaseTable(client, LOCKS, DURATION, clock=lambda: self._now)

    def begin(self, *writers: Writer, events: tuple[Event, ...] = ()) -> State:
        """Return the state before anybody's first step."""
        self._look("PutObject")
        self._look("UpdateItem")
        return State(writers, self._head, self._lease, self._now, events)

    def explore(self, first: State) -> list[Step]:
        """Return every step that can be taken from there on."""
        waiting, seen, steps = [first], {first.key}, []
        while waiting:
            for step in self.steps(waiting.pop()):
                steps.append(step)
                if step.after.key not in seen:
                    seen.add(step.after.key)
                    waiting.append(step.after)
        return steps

    def steps(self, state: State) -> list[Step]:
        """Return every step that can follow."""
        steps = [
            self.step(state, at) for at, writer in enumerate(state.writers) if not writer.is_over
        ]
        for event in dict.fromkeys(state.events):
            left = list(state.events)
            left.remove(event)
            after = event(replace(state, events=tuple(left)))
            if after is not None:
                steps.append(Step(event.__name__, state, after))
        return steps

    def step(self, state: State, at: int) -> Step:
        """Let one writer make its next call."""
        self._restore(state)
        writer, outcome = state.writers[at], None
        with replaying(writer.answers) as self._replay, suppress(Paused):
            outcome = (self._try_first if writer.course == FIRST_TRY else self._run)(writer)
        answers = tuple(self._replay.answers)
        moved = writer.ended(outcome) if outcome else replace(writer, answers=answers)
        writers = (*state.writers[:at], moved, *state.writers[at + 1 :])
        self._look(answers[-1].operation)
        after = replace(state, writers=writers, head=self._head, lease=self._lease)
        return Step(writer.name, state, after, outcome)

    def _run(self, writer: Writer) -> str:
        """One start of the workflow for a collection, in the order of its states."""
        lease = None
        try:
            taken = self._leases.acquire(NAME, writer.owner, writer.request)
            if writer.course == UNANSWERED:
                return FAILED
            lease = taken
            return self._attempts(writer, lease)
        except LockBusy:
            return BUSY
        except LeaseLost:
            return DEFERRED
        finally:
            self._release(writer, lease)

    def _release(self, writer: Writer, lease: Lease | None) -> None:
        if lease is not None:
            self._leases.release(lease)
        else:
            self._leases.release_unanswered(NAME, writer.owner, writer.request)

    def _try_first(self, writer: Writer) -> str:
        """A try of AcquireLock that nobody listens to any more."""
        with suppress(LockBusy, LeaseLost):
            self._leases.acquire(NAME, writer.owner, writer.request)
        return IGNORED

    def _attempts(self, writer: Writer, lease: Lease) -> str:
        for _ in range(ATTEMPTS):
            staged = self._stage(writer, lease)
            try:
                publish(self.world.store, staged, lease, self._leases)
            except SnapshotConflict:
                continue
            return PUBLISHED
        return DEFERRED

    def _stage(self, writer: Writer, lease: Lease) -> Staged:
        head = self.world.store.head()
        made = (writer.name, lease.fencing_token, head)
        if made not in self._staged:
            with self._replay.aside():
                self._staged[made] = self.world.stage(
                    updates(["w00001"], **{writer.name: True}),
                    root=self.world.scratch / writer.name,
                    token=lease.fencing_token,
                )
        return self._staged[made]

    def _restore(self, state: State) -> None:
        """Make the world what the state says, without a call for what it is already."""
        self._now = state.now
        if state.head != self._head:
            self.world.put(HeadName(NAME).key, state.head)
        if state.lease != self._lease:
            self._write_lease(state.lease)
        self._head, self._lease = state.head, state.lease

    def _write_lease(self, lease: Mapping[str, Any]) -> None:
        if lease:
            self.world.aws.dynamodb.put_item(TableName=LOCKS, Item=lease)
        else:
            self.world.aws.dynamodb.delete_item(TableName=LOCKS, Key=_KEY)

    def _look(self, operation: str) -> None:
        """See what a call has left."""
        if operation == "PutObject":
            self._head = self.world.store.objects.get(HeadName(NAME).key).body
        if operation == "UpdateItem":
            answer = self.world.aws.dynamodb.get_item(TableName=LOCKS, Key=_KEY)
            self._lease = answer.get("Item", {})
