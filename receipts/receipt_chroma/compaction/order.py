"""Which deltas a batch has to read, newest first: vectors have an order, unlike all that the table
says.

Of all runs of a receipt the newest-created that has an id wins, however often and in whatever order
they are announced. A run is created when the stream says that its item was inserted; one that has
no time, and an older notice that has no run, counts as oldest. What was merged is read again only
where its ids decide: they are newer than a delta to be merged, or something that they may have
brought is there again and may lack its embedding.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias

from receipt_chroma.compaction.identity import ReceiptId
from receipt_chroma.compaction.instants import instant
from receipt_chroma.compaction.runs import COMPLETED, Run, RunId
from receipt_chroma.compaction.touched import Arrival, DeltaSignal

Runs: TypeAlias = Mapping[ReceiptId, Mapping[RunId, Run]]


class Created(NamedTuple):
    """What orders deltas, newest last; of one instant the name decides."""

    is_run: bool
    at: datetime
    name: str


@dataclass(frozen=True)
class Task:
    """A delta to read: to merge it if messages (`signals`) ask for that, else for its ids."""

    run: RunId | None
    prefix: str | None
    created: Created
    announced_at: str | None = None
    signals: Sequence[DeltaSignal] = ()

    @property
    def receipt(self) -> ReceiptId | None:
        """The receipt of its run."""
        return self.run.receipt if self.run else None


@dataclass(frozen=True)
class Plan:
    """Tasks, newest first, and by receipt the messages that ask for embeddings it may lack."""

    tasks: Sequence[Task]
    awaited: Mapping[ReceiptId, Sequence[int]]


def plan(signals: Iterable[DeltaSignal], arrivals: Iterable[Arrival], runs: Runs) -> Plan:
    """Plan one batch; `runs` are all of the receipts it names. A run that is gone is passed over.

    A run that the table says is merged is asked only for what is missing, as an arrival asks.
    """
    awaited: dict[ReceiptId, list[int]] = defaultdict(list)
    for arrival in arrivals:
        awaited[arrival.receipt].append(arrival.index)
    tasks: list[Task] = []
    for same in _announced(signals):
        run = same[-1].run
        known = run and runs.get(run.receipt, {}).get(run)
        if run is None:
            tasks.append(_notice(same))
        elif known and known.state == COMPLETED:
            awaited[run.receipt].extend(signal.index for signal in same)
        elif known:
            tasks.append(_to_merge(known, same))
    tasks += _recalled(tasks, awaited, runs)
    return Plan(sorted(tasks, key=lambda task: task.created, reverse=True), awaited)


def _announced(signals: Iterable[DeltaSignal]) -> Iterable[Sequence[DeltaSignal]]:
    """Group the signals by what they announce: a run, or the prefix of an older notice."""
    announced: dict[object, list[DeltaSignal]] = {}
    for signal in signals:
        announced.setdefault(signal.run or signal.prefix, []).append(signal)
    return announced.values()


def _notice(same: Sequence[DeltaSignal]) -> Task:
    newest = max(same, key=lambda signal: instant(signal.timestamp))
    created = Created(False, instant(newest.timestamp), newest.prefix or "")
    return Task(None, newest.prefix, created, signals=same)


def _to_merge(run: Run, same: Sequence[DeltaSignal]) -> Task:
    first = min((signal.timestamp for signal in same if signal.timestamp), default=None)
    announced_at = run.announced_at or first
    prefix = run.prefix or same[-1].prefix
    return Task(run.id, prefix, _created(announced_at, run.id), announced_at, same)


def _recalled(
    merges: Sequence[Task], awaited: Mapping[ReceiptId, object], runs: Runs
) -> Iterable[Task]:
    """Yield the merged runs of awaited receipts, and those newer than a run to be merged."""
    merged_now = {task.run for task in merges}
    oldest: dict[ReceiptId, Created] = {}
    for task in merges:
        if task.receipt:
            oldest[task.receipt] = min(task.created, oldest.get(task.receipt, task.created))
    for receipt, its in runs.items():
        for run in its.values():
            created = _created(run.announced_at, run.id)
            decides = receipt in awaited or created > oldest.get(receipt, created)
            if run.is_merged and decides and run.id not in merged_now:
                yield Task(run.id, run.prefix, created, run.announced_at)


def _created(announced_at: str | None, run: RunId) -> Created:
    return Created(True, instant(announced_at), run.run_id)
