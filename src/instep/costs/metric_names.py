"""The names of our custom metrics, each of which CloudWatch asks a price for.

A name is told apart by its dimensions, which are the function and, of some, the collection; an hour
in which it is not printed costs nothing. So they are listed by when they are printed.
"""

from collections.abc import Mapping
from typing import Final

EVERY_CALL: Final = {
    "PeakMemoryPercent",
    "CompactionLambdaExecutionTime",
    "CompactionLambdaSuccess",
}
"""By each function."""
BUSY: Final[Mapping[str, set[str]]] = {
    "ingest": {
        "StreamRecordsReceived",
        "StreamRecordsProcessed",
        "StreamRecordsSkipped",
        "MessagesGenerated",
        "MessagesQueued",
        "SQSMessagesFailed",
        "ProcessingDurationMs",
    },
    "parse_batch": {
        "CompactionRecordsReceived",
        "CompactionStreamMessage",
        "HeadBehindSeconds",
    },
    "acquire_lock": {"CompactionLockWaitTime"},
    "apply_updates": {
        "CompactionCollectionUpdatesProcessed",
        "CompactionLabelsUpdatedCount",
        "CompactionLabelsUpdatedRecords",
        "CompactionMetadataUpdatedCount",
        "CompactionMetadataUpdatedRecords",
    },
    "upload_snapshot": {"CompactionVersionsPublished", "CompactionBytesPublished"},
    "release_lock": {"CompactionLockDuration"},
    "settle_batch": set(),
    "fold_snapshot": {"CompactionFolded", "CompactionBytesPublished"},
}
"""By function, in an hour in which metadata and labels change."""
BY_COLLECTION: Final = {
    "HeadBehindSeconds",
    "SnapshotLagP50Ms",
    "SnapshotLagP95Ms",
    "SnapshotLagMaxMs",
}
"""In such an hour, once a collection."""
OTHERWISE: Final = {
    "CompactionBytesSwept",
    "CompactionCacheDropped",
    "CompactionCacheFallback",
    "CompactionCacheHit",
    "CompactionCacheMiss",
    "CompactionCacheUnavailable",
    "CompactionCollectionProcessingError",
    "CompactionDeltaMergeCount",
    "CompactionDeltaMergeError",
    "CompactionDeltasMergedCount",
    "CompactionEmbeddingsAdded",
    "CompactionEmbeddingsDeleted",
    "CompactionEmbeddingsUpdated",
    "CompactionFailedMessages",
    "CompactionFoldError",
    "CompactionFoldTooLarge",
    "CompactionLambdaError",
    "CompactionLockAcquisitionFailed",
    "CompactionLockValidationFailed",
    "CompactionMessageParseError",
    "CompactionMetadataRemovedRecords",
    "CompactionPacksSwept",
    "CompactionPartialBatchFailure",
    "CompactionProcessingErrors",
    "CompactionSnapshotDownloadError",
    "CompactionSnapshotUploadError",
    "CompactionSweepError",
    "CompactionSyncItemsSeen",
    "CompactionSyncRecordsQueued",
    "CompactionTextsEmbedded",
    "CompactionVectorsMissing",
    "CompactionVersionsSwept",
    "CompactionWordEmbeddingNotFound",
    "MessagesOfNewerFormat",
}
"""In the hours of other work (vectors, syncs, sweeps, another domain) or of trouble: each costs its
share of a month, which is in no estimate.
"""


def busy(collections: int) -> int:
    """Return how many metrics there are in such an hour."""
    of_functions = sum(len(names) + len(EVERY_CALL) for names in BUSY.values())
    return of_functions + len(BY_COLLECTION) * collections
