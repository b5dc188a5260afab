"""What one state hands the next, read from and written to the JSON of the state machine.

The shapes are the payloads of src/instep/cdk/workflow.py and src/instep/cdk/collection_path.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from instep.flow.causes import cause_text
from instep.flow.lease import Lease
from instep.flow.parking import BatchRef, ResultRef
from instep.flow.settlement import Fate
from instep.lambda_.sync_payloads import Sync
from instep.snapshot.acts.folding import FoldDue

Payload = Mapping[str, Any]


class Next(StrEnum):
    """Where the runner goes from a round (src/instep/cdk/workflow.py, `Next?`)."""

    WORK = "work"  # on within the round, which is small
    LARGE = "large"  # the same, by the runner itself, which has the time
    FOLD = "fold"
    SYNC = "sync"  # through the whole table
    LOOK = "look"  # into the inbox again, after a pause
    END = "end"


@dataclass(frozen=True)
class Tally:
    """What the execution has come to so far; carried from round to round."""

    looks: int = 0  # into the inbox
    rounds: int = 0  # of them that found work and settled it
    failures: int = 0
    deferred: int = 0
    rejected: int = 0
    busy: int = 0  # rounds in a row in which a collection was deferred
    stuck: int = 0  # rounds in a row in which a collection failed as a whole
    cause: str = ""  # what failed in the last round that something did, for whoever reads of it
    unfolded: Mapping[str, int] = field(default_factory=dict, hash=False)  # lambda_/bulks.py

    @classmethod
    def from_payload(cls, payload: Payload) -> "Tally":
        """Read what every looping state carries."""
        return cls(**{name: payload[name] for name in cls.__dataclass_fields__})

    def to_payload(self) -> dict[str, Any]:
        """Return the counters, and the cause cut to what a person reads, as JSON."""
        return {**asdict(self), "cause": self.cause[:1000], "unfolded": dict(self.unfolded)}


@dataclass(frozen=True)
class ParseRequest:
    """ParseBatch: `content` is the execution's own input, `started` when it began."""

    execution: str
    started: datetime
    content: Any
    tally: Tally

    @classmethod
    def from_payload(cls, payload: Payload) -> "ParseRequest":
        """Read what the state sends."""
        return cls(
            payload["execution"],
            datetime.fromisoformat(payload["started"]),
            payload["input"],
            Tally.from_payload(payload["tally"]),
        )


@dataclass(frozen=True)
class ParseAnswer:
    """ParseBatch: references only, so that the payload is as small for any batch.

    `began` is when the round did, `pause` the seconds until the next look. `drains`: the batch is
    the inbox's, otherwise it is the execution's own input. `more`: it was cut by a limit. `folds`
    are made before what is `then`.
    """

    execution: str
    started: datetime
    tally: Tally
    next: Next
    began: datetime
    pause: int = 0
    drains: bool = True
    more: bool = False
    deliveries: BatchRef | None = None
    batches: Mapping[str, BatchRef] = field(default_factory=dict)
    sync: Sync | None = None
    folds: Sequence[str] = ()
    then: Next = Next.LOOK

    def to_payload(self) -> dict[str, Any]:
        """Return the round's state."""
        return {
            "execution": self.execution,
            "started": self.started.isoformat(),
            "tally": self.tally.to_payload(),
            "next": self.next.value,
            **({"sync": self.sync.to_payload()} if self.sync else {}),
            **(_folds(self.folds, self.tally, self.then) if self.folds else {}),
            "began": self.began.isoformat(),
            "pause": self.pause,
            "drains": self.drains,
            "more": self.more,
            "deliveries": self.deliveries.to_payload() if self.deliveries else None,
            "collections": [
                {"collection": name, "batch": reference.to_payload()}
                for name, reference in self.batches.items()
            ],
        }


@dataclass(frozen=True)
class LockRequest:
    """AcquireLock: the execution is the owner; `request` names this pass of the Map alone."""

    collection: str
    execution: str
    request: str

    @classmethod
    def from_payload(cls, payload: Payload) -> "LockRequest":
        """Read what the state sends."""
        return cls(payload["collection"], payload["execution"], payload["request"])


@dataclass(frozen=True)
class ReleaseRequest:
    """ReleaseLock: `lease` is None when AcquireLock failed, though it may have taken one."""

    asked: LockRequest
    lease: Lease | None

    @classmethod
    def from_payload(cls, payload: Payload) -> "ReleaseRequest":
        """Read what the state sends: `{}` where no lease is known."""
        lease = payload["lease"]
        return cls(LockRequest.from_payload(payload), Lease.from_payload(lease) if lease else None)


@dataclass(frozen=True)
class ApplyRequest:
    """ApplyUpdates: `attempt` counts lost races for HEAD, from 0."""

    collection: str
    execution: str
    batch: BatchRef
    lease: Lease
    attempt: int

    @classmethod
    def from_payload(cls, payload: Payload) -> "ApplyRequest":
        """Read what the state sends."""
        return cls(
            payload["collection"],
            payload["execution"],
            BatchRef.from_payload(payload["batch"]),
            Lease.from_payload(payload["lease"]),
            int(payload["attempt"]),
        )


@dataclass(frozen=True)
class ApplyAnswer:
    """ApplyUpdates: what was staged (engine's own fields), and what that came to."""

    staged: Payload
    changed: bool
    attempt: int
    result: ResultRef

    def to_payload(self) -> dict[str, Any]:
        """Return `$.staged`."""
        return {
            **self.staged,
            "changed": self.changed,
            "attempt": self.attempt,
            "result": self.result.to_payload(),
        }


@dataclass(frozen=True)
class UploadRequest:
    """UploadSnapshot: `staged` is read by the engine."""

    collection: str
    staged: Payload
    lease: Lease

    @classmethod
    def from_payload(cls, payload: Payload) -> "UploadRequest":
        """Read what the state sends."""
        return cls(payload["collection"], payload["staged"], Lease.from_payload(payload["lease"]))


@dataclass(frozen=True)
class FoldRequest:
    """FoldSnapshot: of the head, whatever it is by then."""

    collection: str
    execution: str
    lease: Lease

    @classmethod
    def from_payload(cls, payload: Payload) -> "FoldRequest":
        """Read what the state sends."""
        lease = Lease.from_payload(payload["lease"])
        return cls(payload["collection"], payload["execution"], lease)


@dataclass(frozen=True)
class FoldAnswer:
    """FoldSnapshot: the version that HEAD names now; None when no fold was due."""

    version: str | None

    def to_payload(self) -> dict[str, Any]:
        """Return `$.folded`."""
        return {"version": self.version}


@dataclass(frozen=True)
class CollectionOutcome:
    """One Map item's end; `reason` is the error that ended it, `result` there when applied."""

    collection: str
    batch: BatchRef
    fate: Fate
    reason: str
    result: ResultRef | None
    fold_due: FoldDue

    @classmethod
    def from_payload(cls, payload: Payload) -> "CollectionOutcome":
        """Read an item's output."""
        error = payload.get("error") or payload.get("conflict") or {}
        reason = cause_text(error.get("Error", ""), error.get("Cause", "")) if error else ""
        fate = Fate(payload["outcome"]["status"])
        result = payload["staged"].get("result") if fate is Fate.APPLIED else None
        return cls(
            collection=payload["collection"],
            batch=BatchRef.from_payload(payload["batch"]),
            fate=fate,
            reason=reason[:500],
            result=ResultRef.from_payload(result) if result else None,
            fold_due=FoldDue(payload.get("published", {}).get("fold", FoldDue.NO)),
        )


@dataclass(frozen=True)
class SettleRequest:
    """SettleBatch: everything by reference."""

    execution: str
    started: datetime
    tally: Tally
    began: datetime
    drains: bool
    more: bool
    deliveries: BatchRef
    outcomes: Sequence[CollectionOutcome]

    @classmethod
    def from_payload(cls, payload: Payload) -> "SettleRequest":
        """Read what the state sends."""
        return cls(
            payload["execution"],
            datetime.fromisoformat(payload["started"]),
            Tally.from_payload(payload["tally"]),
            datetime.fromisoformat(payload["began"]),
            bool(payload["drains"]),
            bool(payload["more"]),
            BatchRef.from_payload(payload["deliveries"]),
            [CollectionOutcome.from_payload(outcome) for outcome in payload["outcomes"]],
        )


@dataclass(frozen=True)
class SettleAnswer:
    """SettleBatch: what follows (`then`, after the folds that are due)."""

    execution: str
    started: datetime
    tally: Tally
    then: Next
    pause: int
    folds: Sequence[str]

    def to_payload(self) -> dict[str, Any]:
        """Return the round's state."""
        return {
            "execution": self.execution,
            "started": self.started.isoformat(),
            "tally": self.tally.to_payload(),
            "next": Next.FOLD.value if self.folds else self.then.value,
            "pause": self.pause,
            **_folds(self.folds, self.tally, self.then),
        }


def _folds(collections: Sequence[str], tally: Tally, then: Next) -> dict[str, Any]:
    """Return what the workflow folds, each under a lease named by this pass, and what follows."""
    request = f"fold/{tally.looks}"
    return {
        "folds": [{"collection": name, "request": request} for name in collections],
        "then": then.value,
    }
