"""Embedding deltas merged, a slice at a time: fetched side by side, written in one bulk add each.

The rules are docs/domain.md's, A delta: which deltas are read, `order` says, and which of them has
an embedding, `winners`; a hostile or broken delta fails its own run only, a bad record only itself
(`refusals`); every record is written and every record is verified.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from instep.chroma.foreign.records import Contents
from instep.errors import CompactionError, DeltaRejected, StorageUnavailable
from receipt_chroma.compaction.convergence import Applied, Convergence
from receipt_chroma.compaction.deltas import DeltaSource, Found
from receipt_chroma.compaction.order import Plan, Task, plan
from receipt_chroma.compaction.reading import read_ahead
from receipt_chroma.compaction.refusals import common_dimension, judge, refused_of, spelled
from receipt_chroma.compaction.result import DeltaMerge, MessageFailure
from receipt_chroma.compaction.runs import Run, RunId, RunTable
from receipt_chroma.compaction.touched import Arrival, DeltaSignal, Touched
from receipt_chroma.compaction.winners import Winners

if TYPE_CHECKING:
    from instep.chroma.foreign.records import Record
    from instep.clock import Clock
    from receipt_chroma.compaction.identity import EmbeddingId, ReceiptId
    from receipt_chroma.compaction.receipts import ReceiptTable

_SLICE: Final = 64 << 20  # bytes of records that are written at once, one delta more at most
_BESIDE: Final = 1 << 10  # bytes of a record beside its vector, about


class _Begun(NamedTuple):
    found: Found
    started_at: str


class _Read(NamedTuple):
    contents: Contents
    started_at: str


_Answer: TypeAlias = _Read | CompactionError | None  # None: there is nothing to merge any more


class Missing(NamedTuple):
    """A merged run whose delta is gone: whatever it brought and is missing now, stays missing."""

    run: RunId
    reason: str


@dataclass
class Merged:
    """What a slice of deltas did."""

    merges: list[DeltaMerge] = field(default_factory=list)
    failures: list[MessageFailure] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    applied: Applied = field(default_factory=Applied)


@dataclass(frozen=True)
class _Delta:
    """A delta that was read: all its good records, those it is the newest of, and the refused."""

    task: Task
    started_at: str
    ids: "frozenset[EmbeddingId]"
    won: "frozenset[EmbeddingId]"
    refused: Mapping[str, str]


@dataclass
class _Slice:
    """Records to write, and records to write only where an embedding is missing."""

    merged: Merged = field(default_factory=Merged)
    deltas: list[_Delta] = field(default_factory=list)
    write: "dict[EmbeddingId, Record]" = field(default_factory=dict)
    fill: "dict[EmbeddingId, Record]" = field(default_factory=dict)
    bytes: int = 0


class DeltaMerger:
    """Merges deltas into one collection; `dimension` is its embeddings', None while it is empty.

    An empty collection takes the dimension of most records in the newest delta that has any.
    """

    def __init__(
        self,
        collection: str,
        source: DeltaSource,
        table: "ReceiptTable",
        runs: RunTable,
        convergence: Convergence,
        scratch: Path,
        clock: "Clock",
        dimension: int | None,
    ) -> None:
        self._collection, self._source, self._table, self._runs = collection, source, table, runs
        self._convergence, self._scratch, self._clock = convergence, scratch, clock
        self._dimension = dimension

    def merge(
        self, signals: Sequence[DeltaSignal], arrivals: Sequence[Arrival] = ()
    ) -> Iterator[Merged]:
        """Merge what is announced and bring back what arrivals may lack, a slice at a time."""
        receipts = {signal.run.receipt for signal in signals if signal.run}
        runs = self._runs_of(receipts | {arrival.receipt for arrival in arrivals})
        planned = plan(signals, arrivals, runs)
        winners = Winners(self._runs_of, runs)
        slice_ = _Slice()
        for task, answer in read_ahead(planned.tasks, self._begin, self._read, _room_of):
            self._take(slice_, task, answer, planned, winners)
            if slice_.bytes >= _SLICE:
                yield self._write(slice_, planned)
                slice_ = _Slice()
        if slice_.deltas or slice_.merged != Merged():
            yield self._write(slice_, planned)

    def _runs_of(self, receipts: "Iterable[ReceiptId]") -> "dict[ReceiptId, dict[RunId, Run]]":
        return {
            receipt: {
                run.id: run for run in (Run.of(receipt, item, self._collection) for item in items)
            }
            for receipt, items in self._table.runs(receipts).items()
        }

    def _begin(self, task: Task) -> "_Begun | CompactionError | None":
        """Tell the run that it is merged, and find its delta."""
        started_at: str | None = self._clock().isoformat()
        try:
            if task.signals and task.run is not None:
                started_at = self._runs.start(task.run, self._collection, task.announced_at)
            if started_at is None:
                return None
            if task.prefix is None:
                return DeltaRejected(f"the run names no {self._collection}_delta_prefix")
            return _Begun(self._source.find(task.prefix), started_at)
        except (DeltaRejected, StorageUnavailable) as error:
            return error

    def _read(self, _: Task, begun: "_Begun | CompactionError | None") -> _Answer:
        if not isinstance(begun, _Begun):
            return begun
        try:
            contents = self._source.read(begun.found, self._collection, self._scratch)
        except (DeltaRejected, StorageUnavailable) as error:
            return error
        return _Read(contents, begun.started_at)

    def _take(
        self, slice_: _Slice, task: Task, answer: _Answer, planned: Plan, winners: Winners
    ) -> None:
        """Put what a delta is the newest of into the slice, or note why it has no part in it."""
        if isinstance(answer, _Read) and (error := winners.blocked(task)):
            if not task.signals:
                return  # who waits for it has failed with the newer one
            answer = error
        if isinstance(answer, CompactionError):
            _note(slice_.merged, task, answer, planned, winners)
        if not isinstance(answer, _Read):
            return
        self._dimension = self._dimension or common_dimension(answer.contents)
        judged = judge(answer.contents, self._collection, self._dimension)
        write, fill = winners.take(task, judged.records)
        slice_.write.update(write)
        slice_.fill.update(fill)
        won = frozenset(write.keys() | fill.keys())
        ids = frozenset(judged.records)
        slice_.deltas.append(_Delta(task, answer.started_at, ids, won, judged.refused))
        slice_.bytes += sum(
            record.embedding.nbytes + _BESIDE for record in (*write.values(), *fill.values())
        )

    def _write(self, slice_: _Slice, planned: Plan) -> Merged:
        """Write a slice's records in bulk and look for each of them again."""
        merged, records = slice_.merged, slice_.write
        if slice_.fill:
            there = self._convergence.present(slice_.fill)
            records |= {one: record for one, record in slice_.fill.items() if one not in there}
        if records:
            merged.applied = self._convergence.apply(Touched(), records)
        asked = [delta.ids for delta in slice_.deltas if delta.task.signals]
        present = self._convergence.present(merged.applied.added.union(*asked))
        for delta in slice_.deltas:
            _judge(merged, delta, present, planned)
        return merged


def _room_of(begun: "_Begun | CompactionError | None") -> int:
    return begun.found.unpacked if isinstance(begun, _Begun) else 0


def _note(
    merged: Merged, task: Task, error: CompactionError, planned: Plan, winners: Winners
) -> None:
    """Note a delta that cannot be read: a failure of who asked for it, or something to live with"""
    if task.signals or not isinstance(error, DeltaRejected):
        _fail(merged, task, error, planned)
    if task.signals or task.run is None:
        return
    if not isinstance(error, DeltaRejected):
        winners.block(task.run.receipt, error)
        return
    winners.pass_over(task.run.receipt)
    if task.run.receipt in planned.awaited:
        merged.missing.append(Missing(task.run, str(error)))


def _judge(merged: Merged, delta: _Delta, present: "set[EmbeddingId]", planned: Plan) -> None:
    """Say what became of one delta; one that is not whole in the collection failed."""
    task = delta.task
    kept = delta.won & merged.applied.added
    if kept - present:
        reason = f"{task.prefix}: only {len(kept & present)} of {len(kept)} records were written"
        _fail(merged, task, StorageUnavailable(reason), planned)
        return
    if not task.signals:
        return
    refused = {**delta.refused, **refused_of(delta.won, merged.applied.refused)}
    total = len(delta.ids) + len(delta.refused)
    if refused:
        reason = f"{task.prefix}: {spelled(refused, total)}"
        _fail(merged, task, DeltaRejected(reason), planned)
    if len(refused) < total or not total:
        run = task.run
        merged.merges.append(
            DeltaMerge(
                run_id=run.run_id if run else None,
                image_id=run.receipt.image_id if run else None,
                receipt_id=run.receipt.receipt_id if run else None,
                prefix=task.prefix or "",
                merged_vectors=len(delta.ids & present),
                started_at=delta.started_at,
                refused=len(refused),
            )
        )


def _fail(merged: Merged, task: Task, error: CompactionError, planned: Plan) -> None:
    """Fail the messages that ask for a delta: to be merged, or for what it brought once."""
    indexes = [signal.index for signal in task.signals]
    if not indexes and task.receipt:
        indexes = list(planned.awaited.get(task.receipt, ()))
    final = isinstance(error, DeltaRejected)
    failed = {failure.index for failure in merged.failures}
    merged.failures.extend(
        MessageFailure(at, type(error).__name__, str(error), final=final)
        for at in indexes
        if at not in failed
    )
