"""The one path of every update: from signals to the difference, written in bulk.

The rule is design.md's Convergence: look up the current truth of what was touched, derive what
every touched embedding should carry, write only what differs. Deltas come first, in slices that
bound memory, then what was signalled, so that a label finds the word its delta brought.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any, Protocol

from instep.chroma.collection import get_collection
from instep.clock import Clock, utc_now
from instep.errors import ConfigurationMissing
from instep.metrics import Metrics, NoMetrics
from receipt_chroma.compaction.blame import failures_of
from receipt_chroma.compaction.convergence import Applied, Convergence
from receipt_chroma.compaction.deltas import DeltaSource
from receipt_chroma.compaction.identity import EmbeddingId, ReceiptId
from receipt_chroma.compaction.merge import DeltaMerger, Merged
from receipt_chroma.compaction.receipts import ReceiptTable
from receipt_chroma.compaction.result import CollectionUpdateResult, MessageFailure, ReceiptUpdate
from receipt_chroma.compaction.runs import RunTable
from receipt_chroma.compaction.touched import read_signals

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from mypy_boto3_dynamodb import DynamoDBClient

    from instep.aws.objects import Objects
    from instep.aws.table import TableReader
    from receipt_dynamo_stream import ChromaDBCollection, StreamMessage


class Messages(Protocol):
    """What the domain asks of a batch: a list of messages, or what reads them one at a time."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __iter__(self) -> Iterator["StreamMessage"]:
        """Go through them, from the first on each time."""


class Log(Protocol):
    """What the domain asks of a logger: a stdlib logger or one of Powertools."""

    def info(self, msg: str, *, extra: Mapping[str, Any]) -> None:
        """Log `msg` with fields."""

    def warning(self, msg: str, *, extra: Mapping[str, Any]) -> None:
        """Log `msg` with fields, for a person to look at."""


def process_collection_updates(
    stream_messages: Messages,
    collection: "ChromaDBCollection | str",
    chroma_client: "ClientAPI",
    logger: Log,
    metrics: Metrics | None = None,
    dynamo_client: "DynamoDBClient | None" = None,
    *,
    table_name: str | None = None,
    objects: "Objects | None" = None,
    allowed_buckets: Collection[str] = (),
    scratch: Path | None = None,
    renewed: "Callable[[], ClientAPI] | None" = None,
    clock: Clock = utc_now,
    recheck: Iterable[str] = (),
) -> CollectionUpdateResult:
    """Bring what the messages touched in `collection` in step with the table `table_name`.

    `objects` is the pipeline's bucket, where deltas lie; `allowed_buckets` names the other buckets
    a delta may lie in. Deltas are unpacked under `scratch` (default: the temporary directory).
    `renewed` returns a fresh client in place of `chroma_client`; it is asked for one now and then
    where tens of thousands are written, for the log that chromadb keeps makes each write dearer.
    `recheck` are ids of embeddings to look up whole though no message touched them; one that is
    none of a line or word is left alone.

    A message that cannot be applied, or only in part, is a MessageFailure in the result, by its
    index in `stream_messages`. ConfigurationMissing without a table, or without a bucket when there
    is a delta; StorageUnavailable when the table or S3 does not answer. The collection must exist.
    """
    if dynamo_client is None or not table_name:
        raise ConfigurationMissing("no table to read: pass dynamo_client and table_name")
    name = collection if isinstance(collection, str) else str(collection.value)
    signals = read_signals(stream_messages, name)
    if (signals.deltas or signals.arrivals) and objects is None:
        raise ConfigurationMissing("no bucket to read deltas from: pass objects")
    sink = NoMetrics() if metrics is None else metrics
    updates = _Updates(name, logger, sink, signals.failures)
    table = ReceiptTable(dynamo_client, table_name, clock)
    store = get_collection(chroma_client, name)
    reopened = None if renewed is None else lambda: get_collection(renewed(), name)
    convergence = Convergence(store, table, reopened)
    if (signals.deltas or signals.arrivals) and objects is not None:
        merger = DeltaMerger(
            collection=name,
            source=DeltaSource(objects, allowed_buckets),
            table=table,
            runs=RunTable(dynamo_client, table_name, clock),
            convergence=convergence,
            scratch=scratch or Path(gettempdir()),
            clock=clock,
            dimension=store.get_model().dimension,
        )
        for merged in merger.merge(signals.deltas, signals.arrivals):
            updates.merged(merged)
    signals.touched.whole |= {one for one in map(EmbeddingId.parse, recheck) if one is not None}
    applied = convergence.apply(signals.touched)
    updates.applied(applied)
    if applied.refusals:
        updates.failed(failures_of(stream_messages, name, applied.refusals))
        updates.set_aside(signals.touched.whole, applied)
    return updates.finish(len(stream_messages), table.reader)


class _Updates:
    """Adds up what was done, once for the caller, the metrics and the log."""

    def __init__(
        self, collection: str, log: Log, metrics: Metrics, failures: list[MessageFailure]
    ) -> None:
        self._result = CollectionUpdateResult(collection)
        self._log, self._metrics = log, metrics
        self._sum = Applied()
        self.failed(failures)

    def merged(self, merged: Merged) -> None:
        """Add a slice of deltas."""
        self.applied(merged.applied)
        self._result.delta_merge_results.extend(merged.merges)
        self._metrics.count("CompactionDeltaMergeError", len(merged.failures))
        self.failed(merged.failures)
        for run, reason in merged.missing:
            ids = {"image_id": run.receipt.image_id, "receipt_id": run.receipt.receipt_id}
            extra = {**ids, "run_id": run.run_id, "reason": reason}
            self._log.warning("Vectors cannot be brought back", extra=extra)
        if merged.missing:
            self._metrics.count("CompactionVectorsMissing", len(merged.missing))

    def applied(self, applied: Applied) -> None:
        """Add what one convergence wrote."""
        self._sum.add(applied)

    def failed(self, failures: Sequence[MessageFailure]) -> None:
        """Add messages that were not applied."""
        self._result.failures.extend(failures)
        for failure in failures:
            extra = {"error": failure.error, "reason": failure.reason, "final": failure.final}
            self._log.warning("Message not applied", extra=extra)

    def set_aside(self, rechecked: Collection[EmbeddingId], applied: Applied) -> None:
        """Say what was refused of embeddings that no message need be about."""
        for id_, reason in applied.refused.items():
            if EmbeddingId.parse(id_) in rechecked:
                self._log.warning("Embedding set aside", extra={"id": id_, "reason": reason})

    def finish(self, messages: int, reader: "TableReader") -> CollectionUpdateResult:
        """Count, log and return the result of so many messages."""
        result, done = self._result, self._sum
        result.metadata_updates = _by_receipt(done.merchants)
        result.label_updates = _by_receipt(done.labels)
        result.embeddings_deleted = done.deleted
        result.words_not_found = done.words_not_found
        result.read_requests, result.read_units = reader.requests, reader.units
        counts = {
            "CompactionCollectionUpdatesProcessed": messages - len(result.failures),
            "CompactionProcessingErrors": len(result.failures),
            "CompactionMetadataUpdatedCount": len(result.metadata_updates),
            "CompactionMetadataUpdatedRecords": result.total_metadata_updated,
            "CompactionMetadataRemovedRecords": done.merchants_removed,
            "CompactionLabelsUpdatedCount": len(result.label_updates),
            "CompactionLabelsUpdatedRecords": result.total_labels_updated,
            "CompactionDeltaMergeCount": result.delta_merge_count,
            "CompactionDeltasMergedCount": result.total_vectors_merged,
            "CompactionEmbeddingsDeleted": result.embeddings_deleted,
            "CompactionWordEmbeddingNotFound": result.words_not_found,
        }
        for name, value in counts.items():
            if value:
                self._metrics.count(name, value)
        extra = {
            "collection": result.collection,
            "read_requests": result.read_requests,
            "read_units": result.read_units,
            "refused": len(done.refusals),
            **counts,
        }
        self._log.info("Difference written", extra=extra)
        return result


def _by_receipt(counted: Mapping[ReceiptId, int]) -> list[ReceiptUpdate]:
    return [
        ReceiptUpdate(one.image_id, one.receipt_id, embeddings)
        for one, embeddings in sorted(counted.items())
        if embeddings
    ]
