"""Edits at a steady rate beside whatever else goes on, and when a reader of the head has each."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from benchmarks.measure import Figures, percentile

_LOOK_SECONDS = 0.2

Write = Callable[[int, int], None]
"""Give the thing of a number a value that only grows."""
Look = Callable[[Sequence[int]], dict[int, int]]
"""Return the values that a reader of the head has of these."""


@dataclass
class Edits:
    """What was written and not seen yet, and after how many seconds the others were."""

    rate: float
    things: int
    write: Write
    look: Look
    seen: list[float] = field(default_factory=list)
    pending: dict[int, tuple[int, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write_on(self, ended: threading.Event) -> None:
        """Edit one thing after the other until the end."""
        number, began = 0, monotonic()
        while not ended.wait(max(0.0, began + number / self.rate - monotonic())):
            number += 1
            thing = number * 7919 % self.things
            with self._lock:
                self.pending.setdefault(thing, (number, monotonic()))
            self.write(thing, number)

    def watch(self, ended: threading.Event) -> None:
        """Look for what was written, until the end."""
        while not ended.wait(_LOOK_SECONDS):
            self.look_once()

    def look_once(self) -> None:
        """Note what is there by now."""
        with self._lock:
            wanted = dict(self.pending)
        found = self.look(list(wanted)) if wanted else {}
        at = monotonic()
        with self._lock:
            for thing, (number, written) in wanted.items():
                if found.get(thing, -1) >= number:
                    self.seen.append(at - written)
                    del self.pending[thing]

    def figures(self) -> Figures:
        """Return how soon edits were seen, and how many never."""
        seen = self.seen or [0.0]
        return {
            "live_edits": len(self.seen) + len(self.pending),
            "live_p50_s": round(percentile(seen, 0.5), 2),
            "live_p95_s": round(percentile(seen, 0.95), 2),
            "live_max_s": round(max(seen), 2),
            "live_never_visible": len(self.pending),
        }


@contextmanager
def going_on(edits: Edits) -> Iterator[None]:
    """Have the edits go on inside the block, and look on for a minute behind it."""
    ended, looked = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def guarded(work: Callable[[threading.Event], None], until: threading.Event) -> None:
        try:
            work(until)
        except BaseException as error:  # noqa: BLE001 - told where the block is
            failures.append(error)

    threads = [
        threading.Thread(target=guarded, args=(edits.write_on, ended)),
        threading.Thread(target=guarded, args=(edits.watch, looked)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        threads[0].join()
        over = monotonic() + 60
        while edits.pending and not failures and monotonic() < over:
            looked.wait(_LOOK_SECONDS)
        looked.set()
        threads[1].join()
    if failures:
        raise failures[0]
