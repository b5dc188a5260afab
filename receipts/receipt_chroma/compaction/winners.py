"""For every embedding the newest delta that has it. Tasks come newest first, so the first one wins.

What may overwrite a vector and what may only stand in for a missing one follows from `order`: a
delta that was merged before never overwrites, and one to be merged does so only while every newer
one of its receipt could be read.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from instep.errors import CompactionError
from receipt_chroma.compaction.identity import EmbeddingId, ReceiptId
from receipt_chroma.compaction.order import Runs, Task

if TYPE_CHECKING:
    from instep.chroma.foreign.records import Record

    Records: TypeAlias = Mapping[EmbeddingId, Record]


class Winners:
    """What one batch knows so far of who has which embedding; `runs_of` reads a receipt's runs."""

    def __init__(self, runs_of: Callable[[Iterable[ReceiptId]], Runs], known: Runs) -> None:
        self._runs_of = runs_of
        self._runs = dict(known)
        self._claimed: set[EmbeddingId] = set()
        self._unreadable: set[ReceiptId] = set()
        self._blocked: dict[ReceiptId, CompactionError] = {}

    def pass_over(self, receipt: ReceiptId) -> None:
        """Note that a merged delta of the receipt cannot be read any more."""
        self._unreadable.add(receipt)

    def block(self, receipt: ReceiptId, error: CompactionError) -> None:
        """Note that one cannot be read now: what is older of the receipt has to wait for it."""
        self._blocked[receipt] = error

    def blocked(self, task: Task) -> CompactionError | None:
        """Return why a task cannot be decided now, if so."""
        return self._blocked.get(task.receipt) if task.receipt else None

    def take(self, task: Task, records: "Records") -> "tuple[Records, Records]":
        """Return the records that the task's delta is the newest of: to write, and to fill in."""
        won = {one: record for one, record in records.items() if one not in self._claimed}
        self._claimed |= won.keys()
        if not task.signals or task.receipt in self._unreadable:
            return {}, won
        strangers = {one.receipt for one in won} - {task.receipt}
        merged = self._with_merged_runs(strangers) if strangers else set()
        fill = {one: record for one, record in won.items() if one.receipt in merged}
        return {one: record for one, record in won.items() if one not in fill}, fill

    def _with_merged_runs(self, receipts: set[ReceiptId]) -> set[ReceiptId]:
        """Return receipts whose own runs count as newer than another receipt's, or than a notice"""
        self._runs |= self._runs_of(receipts - self._runs.keys())
        return {one for one in receipts if any(run.is_merged for run in self._runs[one].values())}
