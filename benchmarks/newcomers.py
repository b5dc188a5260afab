"""Receipts of 100 words that come one by one, each with a run and deltas of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.items import Item
from benchmarks.live import COLLECTIONS, LiveApp
from benchmarks.papers import Papers

SEED = 3


@dataclass(frozen=True)
class Newcomers:
    """So many, whose deltas are in the bucket; `before` is what the heads carried without them."""

    papers: Papers
    runs: Sequence[Item]
    before: dict[str, int]

    @classmethod
    def of(cls, app: LiveApp, receipts: int, seed: int = SEED) -> "Newcomers":
        """Upload the deltas; another `seed` gives others."""
        papers = Papers(receipts, seed=seed)
        runs = papers.upload(app.session.objects, COLLECTIONS, receipts=1)
        return cls(papers, runs, app.embeddings())

    def come(self, app: LiveApp, number: int, *more: Item) -> None:
        """Write what the `number`-th brings, and `more` of it, as a producer does: its run last."""
        app.write([*self.papers.items_of(number), *more])
        app.put(self.runs[number])

    def missing(self, app: LiveApp) -> int:
        """Return how many embeddings a head lacks, over all heads, once all have come."""
        carried = app.embeddings()
        wanted = {name: self.before[name] + self.papers.embeddings(name) for name in carried}
        return sum(max(0, wanted[name] - carried[name]) for name in carried)
