"""What a sweep may delete: a stated policy, pure, over what is listed in S3.

Kept, whatever its age (docs/design.md, "Snapshot store"): HEAD, and a version staged on it that
HEAD may still come to name. It may at any time, its writer can have paused; but once HEAD has
moved from its parent it never can, for HEAD never goes back to the bytes its writer has seen.
Kept as history: the newest versions by number, and those that were the head not long ago.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

GRACE: Final = timedelta(days=1)
"""What was written within it is never swept. Between a pack and the manifest that names it lies one
function call, which Lambda ends after 15 minutes; and a clock that is off by as much cannot even
sign a request to S3."""


@dataclass(frozen=True)
class Retention:
    """How much history is kept: the newest versions, HEAD counted, and all heads of a time."""

    versions: int
    age: timedelta


@dataclass(frozen=True)
class Known:
    """What the policy asks of a version; `written` (UTC) by S3's clock."""

    version: str
    parent: str | None
    written: datetime


def chain(known: Mapping[str, Known], head: str | None) -> list[Known]:
    """Return HEAD's version and its ancestors, newest first, as far back as they still exist."""
    found: dict[str, Known] = {}
    at = head
    while at is not None and at in known and at not in found:
        found[at] = known[at]
        at = known[at].parent
    return list(found.values())


def condemned(
    known: Mapping[str, Known], heads: Sequence[str | None], retention: Retention, now: datetime
) -> list[str]:
    """Return the versions to delete, oldest first. HEAD must have been read after the listing.

    `heads`: HEAD's version first, then those of its successors in the making. Read earlier, HEAD
    could be older than the parent of a version that is still to be published.
    """
    head, *successors = heads
    history = chain(known, head)
    kept = {one.version for one in history[: _kept(history, retention, now)]}.union(successors)
    return sorted(
        one.version
        for one in known.values()
        if one.version not in kept
        and not (one.parent == head and one not in history)
        and one.parent not in successors
        and now - one.written >= GRACE
    )


def loose_packs(packs: Mapping[str, datetime], named: Iterable[str], now: datetime) -> list[str]:
    """Return the packs that no version names and that no running stage can be about to name."""
    needed = set(named)
    return sorted(
        name for name, written in packs.items() if name not in needed and now - written >= GRACE
    )


def _kept(history: list[Known], retention: Retention, now: datetime) -> int:
    """Return how many of the newest stay: by number, or because they were the head not long ago."""
    recent = [at for at, newer in enumerate(history, 1) if now - newer.written < retention.age]
    return max(retention.versions, max(recent, default=0) + 1)
