"""What ApplyUpdates says of its work: how fresh the version is, its note, what settles the batch.

Only what was applied counts: a change that failed, or that the DLQ takes, is in no version. The
table's stream alone says when a change was made, so records of other sources have no part in it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from instep.chroma.collection import get_collection, ids
from instep.clock import utc_now
from instep.domain import Outcome, Work
from instep.flow.batch import Entry
from instep.flow.parking import Entries
from instep.flow.recheck import Recheck, named_by
from instep.lambda_ import settings
from instep.lambda_.parts import Applying
from instep.lambda_.payloads import ApplyRequest
from instep.snapshot.acts.workspace import Workspace
from instep.snapshot.format.freshness import ChangeTimes, instant


class Contents:
    """The contents of a domain's parked signals, each read anew by whoever comes to it.

    `rechecks` lie between them and are the engine's own; `places` are the indexes of all others.
    """

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self.rechecks: list[Recheck] = []
        self.places: list[int] = []
        for index, entry in enumerate(entries):
            if (recheck := Recheck.read_text(entry.text)) is not None:
                self.rechecks.append(recheck)
            else:
                self.places.append(index)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.places)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        """Read one after the other."""
        texts = (entry for entry in self._entries if Recheck.read_text(entry.text) is None)
        return (entry.message for entry in texts)


def update(
    applying: Applying,
    request: ApplyRequest,
    workspace: Workspace,
    entries: Entries,
    until: datetime,
) -> Outcome:
    """Have the domain bring a collection in step with what the entries say has changed."""
    contents = Contents(entries)
    outcome = applying.domain.update(
        Work(
            collection=request.collection,
            signals=contents,
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
            recheck=_ids_of(contents.rechecks, workspace, request.collection),
        )
    )
    places = contents.places
    outcome.failures = [replace(one, index=places[one.index]) for one in outcome.failures]
    return outcome


def _ids_of(rechecks: Sequence[Recheck], workspace: Workspace, collection: str) -> Sequence[str]:
    """Return the ids that the head carries and the rechecks stand for."""
    if not rechecks:
        return ()
    return list(named_by(rechecks, ids(get_collection(workspace.client, collection))))


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
