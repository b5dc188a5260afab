"""Receipts arrive as producers bring them: deltas to S3, items to the table, the runs last.

A delta holds 25 receipts and has one COMPACTION_RUN item, on the first of them. One a receipt is
what a single upload makes and works as well, but 600 small Chroma directories take 28 s to build
(47 ms each), these 24 take 6 s.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID, uuid5

from tools.cli.drift import Progress
from tools.cli.output import bytes_text
from tools.cli.session import Session
from tools.demo.items import Item, items_of, receipt_key, run
from tools.demo.producer import write_delta
from tools.demo.receipts import Receipt
from tools.demo.table import put_items
from tools.demo.vectors import vectors_of

A_DELTA: Final = 25
_RUNS: Final = UUID("6f2d1f5e-52a1-4c43-9d0a-7f1d3f0c9a11")


class Arrival:
    """Brings receipts; `runs` are the COMPACTION_RUN items written so far."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.runs: list[Item] = []

    def bring(self, receipts: Sequence[Receipt], progress: Progress = lambda _: None) -> str:
        """Write deltas, items and runs of the receipts; say in a sentence what was written."""
        before = self._session.objects.traffic.up
        runs = [self._delta(some) for some in _some(receipts, progress)]
        sent = self._session.objects.traffic.up - before
        dynamodb, table = self._session.dynamodb, self._session.deployment.dynamodb_table_name
        count = put_items(
            dynamodb,
            table,
            (item for receipt in receipts for item in items_of(receipt)),
            lambda done: progress(f"writing the table: {done:,} items"),
        )
        put_items(dynamodb, table, runs)
        self.runs += runs
        return (
            f"{count + len(runs):,} items in the table, {2 * len(runs)} deltas of "
            f"{bytes_text(sent)} in the bucket"
        )

    def _delta(self, receipts: Sequence[Receipt]) -> Item:
        """Write the two deltas of some receipts and return the run that names them."""
        first = receipts[0]
        named = f"{first.image_id}/{receipt_key(first)}/{len(self.runs)}"
        run_id = str(uuid5(_RUNS, named))
        prefixes = {}
        for collection, vectors in vectors_of(receipts).items():
            prefixes[collection] = f"{collection}/delta/{run_id}/"
            write_delta(
                self._session.objects,
                prefixes[collection],
                collection,
                ids=vectors.ids,
                embeddings=vectors.embeddings,
                metadatas=vectors.metadatas,
                documents=vectors.documents,
            )
        return run(first, run_id, prefixes)


def _some(receipts: Sequence[Receipt], progress: Progress) -> Iterator[Sequence[Receipt]]:
    for start in range(0, len(receipts), A_DELTA):
        progress(f"writing embedding deltas: {start} of {len(receipts)} receipts")
        yield receipts[start : start + A_DELTA]
