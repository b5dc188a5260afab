"""What one batch did to one collection; a failed message is a value in it, a failed step raises."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class ReceiptUpdate:
    """How many embeddings of one receipt were written."""

    image_id: str
    receipt_id: int
    embeddings: int


@dataclass(frozen=True)
class DeltaMerge:
    """One merged delta. `run_id` is None for an older delta notice, which has no run item.

    `merged_vectors` counts its records that the collection holds, by it or by a newer run;
    `refused`, those that it cannot hold: with any, the run has failed, and its message too.
    """

    run_id: str | None
    image_id: str | None
    receipt_id: int | None
    prefix: str
    merged_vectors: int
    started_at: str
    refused: int = 0


@dataclass(frozen=True)
class MessageFailure:
    """One message that was not applied: its index in the batch and the error's class name.

    `final`: a retry cannot cure it, so it goes to the DLQ with `reason`.
    """

    index: int
    error: str
    reason: str
    final: bool


@dataclass
class CollectionUpdateResult:
    """The counts of one batch; `read_requests` and `read_units` are what its table reads cost."""

    collection: str
    metadata_updates: list[ReceiptUpdate] = field(default_factory=list)
    label_updates: list[ReceiptUpdate] = field(default_factory=list)
    delta_merge_results: list[DeltaMerge] = field(default_factory=list)
    embeddings_deleted: int = 0
    words_not_found: int = 0
    read_requests: int = 0
    read_units: float = 0.0
    failures: list[MessageFailure] = field(default_factory=list)

    @property
    def delta_merge_count(self) -> int:
        """Number of deltas merged."""
        return len(self.delta_merge_results)

    @property
    def total_vectors_merged(self) -> int:
        """Number of embeddings that came in with deltas."""
        return sum(merge.merged_vectors for merge in self.delta_merge_results)

    @property
    def total_metadata_updated(self) -> int:
        """Number of embeddings whose merchant fields were written."""
        return sum(update.embeddings for update in self.metadata_updates)

    @property
    def total_labels_updated(self) -> int:
        """Number of embeddings whose label fields were written."""
        return sum(update.embeddings for update in self.label_updates)

    @property
    def has_errors(self) -> bool:
        """Say whether any message failed."""
        return bool(self.failures)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON; the totals are there for who reads it."""
        return asdict(self) | {
            "delta_merge_count": self.delta_merge_count,
            "total_vectors_merged": self.total_vectors_merged,
            "total_metadata_updated": self.total_metadata_updated,
            "total_labels_updated": self.total_labels_updated,
            "has_errors": self.has_errors,
        }
