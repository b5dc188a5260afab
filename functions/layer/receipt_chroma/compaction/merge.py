"""Embedding deltas merged: the run's own state first, then its records, each checked and counted.

The rules are docs/domain.md's: COMPLETED means done, a run that is gone is passed over, a hostile
or broken delta fails its own run only, every record is written and every record is verified.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from instep.errors import CompactionError, DeltaRejected, StorageUnavailable
from receipt_chroma.compaction.attributes import Item, text
from receipt_chroma.compaction.convergence import Applied, Convergence
from receipt_chroma.compaction.deltas import DeltaSource
from receipt_chroma.compaction.foreign import Record
from receipt_chroma.compaction.identity import EmbeddingId
from receipt_chroma.compaction.result import DeltaMerge, MessageFailure
from receipt_chroma.compaction.runs import COMPLETED, RunId, RunTable
from receipt_chroma.compaction.touched import DeltaSignal, Touched

if TYPE_CHECKING:
    from instep.clock import Clock

_DELTAS_A_SLICE: Final = 16
_THREADS: Final = 4


@dataclass(frozen=True)
class _Incoming:
    """One delta as it came: the messages that announced it, and its records."""

    signal: DeltaSignal
    indexes: Sequence[int]
    prefix: str
    started_at: str
    records: Mapping[EmbeddingId, Record]


@dataclass
class Merged:
    """What a slice of deltas did."""

    merges: list[DeltaMerge] = field(default_factory=list)
    failures: list[MessageFailure] = field(default_factory=list)
    applied: Applied = field(default_factory=Applied)


@dataclass
class DeltaMerger:
    """Merges deltas into one collection; `dimension` is its embeddings', None while it is empty."""

    collection: str
    source: DeltaSource
    runs: RunTable
    convergence: Convergence
    scratch: Path
    clock: "Clock"
    dimension: int | None

    def merge(
        self, signals: Sequence[DeltaSignal], items: Mapping[RunId, Item]
    ) -> Iterator[Merged]:
        """Merge every delta, oldest first, a slice at a time; `items` are the runs that exist."""
        announced: dict[object, list[DeltaSignal]] = {}
        for signal in signals:
            announced.setdefault(signal.run or signal.prefix, []).append(signal)
        waiting = list(announced.values())
        for at in range(0, len(waiting), _DELTAS_A_SLICE):
            yield self._slice(waiting[at : at + _DELTAS_A_SLICE], items)

    def _slice(
        self, waiting: Sequence[Sequence[DeltaSignal]], items: Mapping[RunId, Item]
    ) -> Merged:
        merged = Merged()
        accepted: list[_Incoming] = []
        with ThreadPoolExecutor(_THREADS) as threads:
            answers = threads.map(lambda same: self._take_in(same, items), waiting)
            for same, answer in zip(waiting, answers, strict=True):
                if isinstance(answer, _Incoming):
                    answer = self._fitting(answer)
                if isinstance(answer, _Incoming):
                    accepted.append(answer)
                elif answer is not None:
                    merged.failures.extend(_failures(same, answer))
        records: dict[EmbeddingId, Record] = {}
        for delta in accepted:
            records.update(delta.records)
        if records:
            merged.applied = self.convergence.apply(Touched(), records)
        self._verify(accepted, merged)
        return merged

    def _take_in(
        self, same: Sequence[DeltaSignal], items: Mapping[RunId, Item]
    ) -> "_Incoming | CompactionError | None":
        """Fetch one delta; None when there is nothing to merge any more."""
        signal = same[-1]
        prefix, started_at = signal.prefix, self.clock().isoformat()
        try:
            if signal.run is not None:
                item = items.get(signal.run)
                if item is None or text(item, f"{self.collection}_state") == COMPLETED:
                    return None
                prefix = text(item, f"{self.collection}_delta_prefix") or prefix
                started = self.runs.start(signal.run, self.collection)
                if started is None:
                    return None
                started_at = started
            if prefix is None:
                return DeltaRejected(f"the run names no {self.collection}_delta_prefix")
            found = self.source.fetch(prefix, self.collection, self.scratch)
            records = _named(found, self.collection)
        except (DeltaRejected, StorageUnavailable) as error:
            return error
        indexes = [one.index for one in same]
        return _Incoming(signal, indexes, prefix, started_at, records)

    def _fitting(self, delta: _Incoming) -> "_Incoming | DeltaRejected":
        """Hold a delta against the collection's dimension; the first one decides an empty one's."""
        for record in delta.records.values():
            self.dimension = self.dimension or len(record.embedding)
            if len(record.embedding) != self.dimension:
                return DeltaRejected(
                    f"{delta.prefix}: embeddings of {len(record.embedding)} floats, "
                    f"{self.collection} has {self.dimension}"
                )
            break  # all records of a delta have one dimension
        return delta

    def _verify(self, accepted: Iterable[_Incoming], merged: Merged) -> None:
        """Count every record again in the collection; a delta that is not whole failed."""
        for delta in accepted:
            kept = delta.records.keys() & merged.applied.added
            present = self.convergence.present(kept) if kept else 0
            if present != len(kept):
                lost = StorageUnavailable(
                    f"{delta.prefix}: only {present} of {len(kept)} records were written"
                )
                merged.failures.extend(_failures_at(delta.indexes, lost))
                continue
            run = delta.signal.run
            merged.merges.append(
                DeltaMerge(
                    run_id=run.run_id if run else None,
                    image_id=run.receipt.image_id if run else None,
                    receipt_id=run.receipt.receipt_id if run else None,
                    prefix=delta.prefix,
                    merged_vectors=len(kept),
                    started_at=delta.started_at,
                )
            )


def _named(found: Mapping[str, Record], collection: str) -> dict[EmbeddingId, Record]:
    """Key the records by who they are; an id of another grammar cannot be held to the table."""
    records: dict[EmbeddingId, Record] = {}
    for id_, record in found.items():
        one = EmbeddingId.parse(id_)
        if one is None or (one.word_id is None) is (collection == "words"):
            raise DeltaRejected(f"record {id_!r} is no id of {collection}")
        records[one] = record
    return records


def _failures(same: Iterable[DeltaSignal], error: CompactionError) -> list[MessageFailure]:
    return _failures_at([signal.index for signal in same], error)


def _failures_at(indexes: Iterable[int], error: CompactionError) -> list[MessageFailure]:
    final = isinstance(error, DeltaRejected)
    return [MessageFailure(at, type(error).__name__, str(error), final=final) for at in indexes]
