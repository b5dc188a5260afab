"""Probes: edits of a value each of its own, and when a reader of the head first has that value.

The reader does what a user's does: it keeps a snapshot open, asks for HEAD ten times a second, goes
to it when it moved, and looks.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from benchmarks.beside import every
from benchmarks.items import Item, label
from benchmarks.measure import Figures, percentile
from instep.snapshot.copy.reader import Snapshot

_POLL_SECONDS = 0.1
_MARK = "probe-"


@dataclass(frozen=True)
class Probe:
    """The `number`-th probe, written to a word at an instant (monotonic seconds)."""

    number: int
    word: str
    written: float

    @property
    def item(self) -> Item:
        """The label to write."""
        return label(self.word, f"{_MARK}{self.number:08d}")

    def shown_by(self, carried: object) -> bool:
        """Whether a word that carries this `label_proposed_by` has the probe, or a later one."""
        return isinstance(carried, str) and carried >= f"{_MARK}{self.number:08d}"


@dataclass
class Sightings:
    """Seconds from write to sight of every probe seen, and the probes not seen yet.

    `waits`: of those seen, too, when each was written (monotonic seconds).
    """

    seen: list[float] = field(default_factory=list)
    waits: list[tuple[float, float]] = field(default_factory=list)
    pending: dict[int, Probe] = field(default_factory=dict)

    def __post_init__(self) -> None:  # noqa: D105
        self._lock = threading.Lock()

    def expect(self, probe: Probe) -> None:
        """Look for this probe from now on."""
        with self._lock:
            self.pending[probe.number] = probe

    def look(self, carried_by: Callable[[list[str]], dict[str, object]]) -> None:
        """Look once: `carried_by` says what each of these words carries."""
        with self._lock:
            probes = list(self.pending.values())
        if not probes:
            return
        carried = carried_by(sorted({probe.word for probe in probes}))
        at = monotonic()
        for probe in probes:
            if probe.shown_by(carried.get(probe.word)):
                with self._lock:
                    del self.pending[probe.number]
                self.seen.append(at - probe.written)
                self.waits.append((probe.written, at - probe.written))

    @property
    def all_seen(self) -> bool:
        """Whether none is missing."""
        return not self.pending

    def figures(self, name: str) -> Figures:
        """Return what was seen, and how much never, under keys that start with `name`."""
        seen = self.seen or [0.0]
        return {
            f"{name}_p50_s": round(percentile(seen, 0.5), 3),
            f"{name}_p95_s": round(percentile(seen, 0.95), 3),
            f"{name}_max_s": round(max(seen), 3),
            f"{name}_probes": len(self.seen) + len(self.pending),
            f"{name}_never_visible": len(self.pending),
        }


@contextmanager
def watching(snapshot: Snapshot, sightings: Sightings) -> Iterator[None]:
    """Follow the head in the background and look for the probes, until the block ends."""

    def follow() -> None:
        if snapshot.refresh():
            sightings.look(lambda words: proposed_by(snapshot, words))

    with every(_POLL_SECONDS, follow, "reader"):
        yield


def proposed_by(snapshot: Snapshot, words: list[str]) -> dict[str, object]:
    """Return what those words carry as `label_proposed_by`."""
    found = snapshot.collection.get(ids=words, include=["metadatas"])
    metadatas = found["metadatas"] or []
    return {
        word: (metadata or {}).get("label_proposed_by")
        for word, metadata in zip(found["ids"], metadatas, strict=True)
    }
