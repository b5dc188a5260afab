"""What ApplyUpdates says of its work: how fresh the version is, its note, what settles the batch.

Only what was applied counts: a change that failed, or that the DLQ takes, is in no version. The
table's stream alone says when a change was made, so records of other sources have no part in it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from instep.flow.batch import Entry
from instep.flow.parking import Entries
from instep.snapshot.format.freshness import ChangeTimes, instant
from receipt_chroma.compaction.result import CollectionUpdateResult
from receipt_dynamo_stream import StreamMessage


class Messages:
    """The messages of parked entries, each read anew by whoever comes to it."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._entries)

    def __iter__(self) -> Iterator[StreamMessage]:
        """Read one after the other."""
        return (StreamMessage.from_payload(entry.message) for entry in self._entries)


def applied(entries: Iterable[Entry], result: CollectionUpdateResult) -> Iterator[Entry]:
    """Yield the entries that did not fail."""
    failed = {failure.index for failure in result.failures}
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


def note(result: CollectionUpdateResult, messages: int) -> dict[str, Any]:
    """Return what `instep history` shows of a version: counts only."""
    return {
        "messages": messages,
        "metadata_updated": result.total_metadata_updated,
        "labels_updated": result.total_labels_updated,
        "deltas_merged": result.delta_merge_count,
        "vectors_merged": result.total_vectors_merged,
        "deleted": result.embeddings_deleted,
    }


def settled_by(result: CollectionUpdateResult) -> dict[str, Any]:
    """Return what SettleBatch goes by: what was not applied, and which deltas were merged."""
    return {
        "failures": [asdict(failure) for failure in result.failures],
        "merges": [asdict(merge) for merge in result.delta_merge_results],
    }
