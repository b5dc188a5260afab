"""Labels of papers edited at due times, and a probe each second among them: each edit a value of
its own, on words that no probe falls on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import monotonic

from benchmarks.items import label
from benchmarks.live import LiveApp
from benchmarks.pacing import Achieved, paced, steady
from benchmarks.papers import A_RECEIPT, Papers
from benchmarks.probes import Probe, Sightings

_SCATTER = 7919  # a prime: successive edits fall on words far apart, and on each in turn


@dataclass(frozen=True)
class Edits:
    """Which word the next edit or the next probe falls on: the first of a receipt is a probe's."""

    papers: Papers

    def word(self, number: int) -> str:
        """Return the word of the `number`-th edit."""
        receipt, offset = divmod(
            number * _SCATTER % (self.papers.receipts * (A_RECEIPT - 1)), A_RECEIPT - 1
        )
        return self.papers.ids[receipt * A_RECEIPT + 1 + offset]

    def probe(self, number: int) -> Probe:
        """Return the `number`-th probe, written now."""
        word = self.papers.ids[number % self.papers.receipts * A_RECEIPT]
        return Probe(number, word, monotonic())

    def write(self, app: LiveApp, due: Iterable[float], name: str) -> Achieved:
        """Edit when due (seconds from now); another `name` gives other values."""
        return paced(due, lambda number: app.put(label(self.word(number), f"edit-{name}-{number}")))

    def write_probes(
        self, app: LiveApp, sightings: Sightings, seconds: float, numbers: Iterator[int]
    ) -> Achieved:
        """Write a probe a second for so many seconds, with the numbers that come next."""

        def write(_: int) -> None:
            probe = self.probe(next(numbers))
            sightings.expect(probe)
            app.put(probe.item)

        return paced(steady(1, seconds), write)
