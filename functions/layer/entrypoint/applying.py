"""What ApplyUpdates says of its work: the version's watermark and note, and what settles it.

The watermark is the newest stream time known applied ("how far behind").
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from instep.batch import Entry
from receipt_chroma.compaction.result import CollectionUpdateResult


def watermark(entries: Iterable[Entry], before: str | None) -> str | None:
    """Return the newest of the entries' times and the parent's (ISO 8601 in UTC, or None)."""
    times = [entry.at for entry in entries if entry.at]
    return max([*times, *([before] if before else [])], default=None)


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
