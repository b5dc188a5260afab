"""What ApplyUpdates says of its work: how fresh the version is, its note, what settles the batch.

Only what was applied counts: a change that failed, or that the DLQ takes, is in no version. The
table's stream alone says when a change was made, so records of other sources have no part in it.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from instep.clock import utc_now
from instep.domain import Outcome, Work
from instep.flow.batch import Entry
from instep.flow.parking import Entries
from instep.lambda_ import settings
from instep.lambda_.parts import Applying
from instep.lambda_.payloads import ApplyRequest
from instep.snapshot.acts.workspace import Workspace
from instep.snapshot.format.freshness import ChangeTimes, instant


class Contents:
    """The contents of parked signals, each read anew by whoever comes to it."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._entries)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        """Read one after the other."""
        return (entry.message for entry in self._entries)


def update(
    applying: Applying,
    request: ApplyRequest,
    workspace: Workspace,
    entries: Entries,
    until: datetime,
) -> Outcome:
    """Have the domain bring a collection in step with what the entries say has changed."""
    return applying.domain.update(
        Work(
            collection=request.collection,
            signals=Contents(entries),
            client=workspace.client,
            renewed=workspace.renew,
            dynamodb=applying.dynamodb,
            table=settings.entity_table(),
            objects=applying.objects,
            delta_buckets=settings.delta_buckets(),
            scratch=settings.scratch_root(),
            parked=request.batch.key.removesuffix(".jsonl.gz"),
            until=until,
            log=applying.log,
            metrics=applying.metrics,
            clock=utc_now,
        )
    )


def applied(entries: Iterable[Entry], outcome: Outcome) -> Iterator[Entry]:
    """Yield the entries that did not fail."""
    failed = {failure.index for failure in outcome.failures}
    return (entry for at, entry in enumerate(entries) if at not in failed)


def watermark(entries: Iterable[Entry], before: str | None, now: datetime) -> str | None:
    """Return the newest of the entries' times and the parent's (ISO 8601 in UTC, or None).

    A time ahead of `now` counts as now: pasted once, it would hold the watermark up for years.
    """
    times = [min(entry.at, now.isoformat()) for entry in entries if entry.at]
    return max([*times, *([before] if before else [])], default=None)


def change_times(entries: Iterable[Entry], now: datetime) -> ChangeTimes | None:
    """Return since when each entity waited for what is applied now; None when none can tell."""
    return ChangeTimes.of(min(instant(entry.since), now) for entry in entries if entry.since)


def note(outcome: Outcome, messages: int) -> dict[str, Any]:
    """Return what `instep history` shows of a version: counts only."""
    return {"messages": messages, **outcome.note}
