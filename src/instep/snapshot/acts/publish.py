"""Lock phase 2: let HEAD name a staged version, if the lease is ours and nobody was first.

The rule is docs/design.md, "Two-phase lock": lease confirmed, token not overtaken, then a
compare-and-swap, which alone makes a lost update impossible. After a lost or unanswered write HEAD
is read: if it names our version, we have won.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any, Protocol

from instep.aws.objects import Written
from instep.errors import LeaseLost, SnapshotConflict, StorageUnavailable
from instep.flow.lease import Lease
from instep.snapshot.acts.folding import FoldDue
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.freshness import ChangeTimes, Lag
from instep.snapshot.format.head import Head, move_head


class Leases(Protocol):
    """What publishing asks of the lock table."""

    def confirm(self, lease: Lease) -> None:
        """Raise LeaseLost unless the lease is still its owner's."""


@dataclass(frozen=True)
class Staged:
    """A version that lies in S3 and that HEAD does not name; `changed` False: none was made.

    `witness` is the etag of the HEAD it was made from, None for a first version. `fold` says
    when a fold is due once it is published. `bytes` is what staging it sent. `times` are those of
    the changes it brings: what has waited is known only when it is published. `beside` is the
    successor whose HEAD it is for.
    """

    collection: str
    changed: bool
    version: str | None
    parent: str | None
    witness: str | None
    manifest: str | None
    fencing_token: int
    watermark: str | None
    fold: FoldDue = FoldDue.NO
    bytes: int = 0
    times: ChangeTimes | None = None
    beside: str = ""

    def to_payload(self) -> dict[str, Any]:
        """Return the JSON one state hands the next."""
        return {**asdict(self), "times": self.times.to_payload() if self.times else None}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "Staged":
        """Read what `to_payload` wrote; keys of others beside it are left alone."""
        given = {name: payload[name] for name in cls.__dataclass_fields__ if name in payload}
        times = ChangeTimes.from_payload(given["times"]) if given.get("times") else None
        fold = FoldDue(given.get("fold", FoldDue.NO))
        return cls(**{**given, "times": times, "fold": fold})


@dataclass(frozen=True)
class Published:
    """HEAD names `version`; the publish phase took `held_ms`; `fold` says when one is due.

    `lag` is what HEAD says of the changes that came with it.
    """

    version: str
    held_ms: float
    fold: FoldDue
    lag: Lag | None


def publish(store: SnapshotStore, staged: Staged, lease: Lease, leases: Leases) -> Published:
    """Let HEAD name the staged version. Calling it again after it won is no error.

    LeaseLost: not ours any more, or a younger token has published. SnapshotConflict: HEAD moved.
    StorageUnavailable: unknown, so the same publish must be tried again.
    """
    began = perf_counter()
    leases.confirm(lease)
    head = store.head()
    won = _naming(head, staged)
    if won is None:
        _check(staged, lease, head)
        won = _move(store, staged, lease.fencing_token)
    return _published(staged, won, began)


def publish_unleased(store: SnapshotStore, staged: Staged) -> Published:
    """Publish for an operator, by the compare-and-swap alone: wins over a running compaction."""
    began = perf_counter()
    head = store.head()
    won = _naming(head, staged) or _move(store, staged, head.fencing_token if head else 0)
    return _published(staged, won, began)


def _check(staged: Staged, lease: Lease, head: Head | None) -> None:
    if not staged.changed or staged.version is None:
        raise ValueError(f"{staged.collection}: nothing was staged, so there is nothing to publish")
    if head is not None and head.fencing_token > lease.fencing_token:
        raise LeaseLost(
            staged.collection,
            lease.owner,
            f"HEAD carries token {head.fencing_token}, ours is {lease.fencing_token}",
        )
    found = head.etag if head else None
    if found != staged.witness:
        raise SnapshotConflict(staged.collection, staged.parent, head.version if head else None)


def _move(store: SnapshotStore, staged: Staged, fencing_token: int) -> Head:
    """Return the HEAD that names what is staged: ours, or that of an earlier try which had won."""
    lag = staged.times.lag(store.clock()) if staged.times else None
    to = Head(str(staged.version), fencing_token, staged.watermark, lag)
    try:
        answer = move_head(store.objects, store.head_name, to=to, witness=staged.witness)
    except StorageUnavailable:
        won = _naming(store.head(), staged)
        if won is None:
            raise
        return won
    if isinstance(answer, Written):
        return to
    won = _naming(answer, staged)
    if won is None:
        raise SnapshotConflict(staged.collection, staged.parent, answer.version if answer else None)
    return won


def _naming(head: Head | None, staged: Staged) -> Head | None:
    return head if head is not None and head.version == staged.version else None


def _published(staged: Staged, head: Head, began: float) -> Published:
    held_ms = round((perf_counter() - began) * 1000, 1)
    return Published(head.version, held_ms, staged.fold, head.lag)
