"""Receipts arrive as producers bring them: deltas to S3, items to the table, the runs last.

A delta holds 25 receipts and has one COMPACTION_RUN item, on the first of them. One a receipt is
what a single upload makes and works as well, but 600 small Chroma directories take 28 s to build
(47 ms each), these 24 take 6 s.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from uuid import UUID, uuid5

from instep.batched import batched
from instep.cli.drift import Progress
from instep.cli.filling import put_items
from instep.cli.session import Session
from receipt_demo.items import Item, items_of, receipt_key, run
from receipt_demo.producer import write_delta
from receipt_demo.receipts import Receipt
from receipt_demo.vectors import vectors_of

A_DELTA: Final = 25
_BUILDERS: Final = 2
_RUNS: Final = UUID("6f2d1f5e-52a1-4c43-9d0a-7f1d3f0c9a11")


class Arrival:
    """Brings receipts; `runs` are the COMPACTION_RUN items written so far."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.runs: list[Item] = []

    def bring(self, receipts: Sequence[Receipt], progress: Progress = lambda _: None) -> str:
        """Write deltas, items and runs of the receipts; say in a sentence what was written."""
        dynamodb, table = self._session.dynamodb, self._session.deployment.dynamodb_table_name
        with ThreadPoolExecutor(_BUILDERS) as builders:  # while the table is written
            building = [builders.submit(self._delta, some) for some in batched(receipts, A_DELTA)]
            count = put_items(
                dynamodb,
                table,
                (item for receipt in receipts for item in items_of(receipt)),
                lambda done: progress(f"writing the table: {done:,} items"),
            )
            progress(f"writing the last of {2 * len(building)} deltas")
            runs = [delta.result() for delta in building]
        put_items(dynamodb, table, runs)
        self.runs += runs
        words = sum(1 for receipt in receipts for _ in receipt.words)
        lines = sum(len(receipt.lines) for receipt in receipts)
        return (
            f"{count + len(runs):,} items in the table; {words:,} words and {lines:,} lines "
            f"embedded, in {2 * len(runs)} deltas"
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
                self._session.objects.client,
                self._session.objects.bucket,
                prefixes[collection],
                collection,
                vectors.ids,
                vectors.embeddings,
                vectors.metadatas,
                vectors.documents,
            )
        return run(first, run_id, prefixes)
