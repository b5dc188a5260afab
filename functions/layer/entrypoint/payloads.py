"""What one state hands the next, read from and written to the JSON of the state machine.

The shapes are the payloads of stacks/workflow.py and stacks/collection_path.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from instep.batch import BatchRef
from instep.lease import Lease
from instep.settlement import Fate

Payload = Mapping[str, Any]


@dataclass(frozen=True)
class Tally:
    """What the execution has come to so far; `round` numbers the current loop from 0."""

    round: int
    failures: int
    deferred: int
    rejected: int

    @classmethod
    def from_payload(cls, payload: Payload) -> "Tally":
        """Read the counters that every looping state carries."""
        names = ("round", "failures", "deferred", "rejected")
        return cls(*(int(payload[name]) for name in names))

    def to_payload(self) -> dict[str, Any]:
        """Return the counters as JSON."""
        return {
            "round": self.round,
            "failures": self.failures,
            "deferred": self.deferred,
            "rejected": self.rejected,
        }


@dataclass(frozen=True)
class ParseRequest:
    """ParseBatch: the execution's own input counts in round 0, the queue in every other."""

    execution: str
    content: Any
    tally: Tally

    @classmethod
    def from_payload(cls, payload: Payload) -> "ParseRequest":
        """Read what the state sends."""
        return cls(payload["execution"], payload["input"], Tally.from_payload(payload))


@dataclass(frozen=True)
class ParseAnswer:
    """ParseBatch: references only, so that the payload is as small for any batch."""

    tally: Tally
    source: str
    deliveries: BatchRef | None
    batches: Mapping[str, BatchRef]

    def to_payload(self) -> dict[str, Any]:
        """Return what replaces the execution's state."""
        failures = self.tally.failures
        cause = f"{failures} records failed in an earlier round; see `instep status`"
        return {
            **self.tally.to_payload(),
            "has_work": bool(self.batches),
            "source": self.source,
            "cause": cause if failures else "",
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
    """ApplyUpdates: what was staged (engine's own fields), and where its result is parked."""

    staged: Payload
    changed: bool
    attempt: int
    result: BatchRef

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
    result: BatchRef | None

    @classmethod
    def from_payload(cls, payload: Payload) -> "CollectionOutcome":
        """Read an item's output."""
        error = payload.get("error") or payload.get("conflict") or {}
        reason = f"{error.get('Error', '')}: {error.get('Cause', '')}" if error else ""
        fate = Fate(payload["outcome"]["status"])
        result = payload["staged"].get("result") if fate is Fate.APPLIED else None
        return cls(
            collection=payload["collection"],
            batch=BatchRef.from_payload(payload["batch"]),
            fate=fate,
            reason=reason[:500],
            result=BatchRef.from_payload(result) if result else None,
        )


@dataclass(frozen=True)
class SettleRequest:
    """SettleBatch: everything by reference."""

    execution: str
    tally: Tally
    deliveries: BatchRef
    outcomes: Sequence[CollectionOutcome]

    @classmethod
    def from_payload(cls, payload: Payload) -> "SettleRequest":
        """Read what the state sends."""
        return cls(
            payload["execution"],
            Tally.from_payload(payload),
            BatchRef.from_payload(payload["deliveries"]),
            [CollectionOutcome.from_payload(outcome) for outcome in payload["outcomes"]],
        )


@dataclass(frozen=True)
class SettleAnswer:
    """SettleBatch: whether another round is worth it, and the cause should the run be red."""

    tally: Tally
    more: bool
    cause: str

    def to_payload(self) -> dict[str, Any]:
        """Return what replaces the execution's state."""
        return {**self.tally.to_payload(), "more": self.more, "cause": self.cause[:1000]}
