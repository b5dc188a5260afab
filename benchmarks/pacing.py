"""Work at due times, not after pauses: a slow write makes the next one late, never the rest."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic

_THREADS = 4  # a write takes some 3 ms: one thread would not keep 100 a second


@dataclass(frozen=True)
class Achieved:
    """How many were done, and in how many seconds from the start to the last one's end."""

    count: int
    seconds: float


def steady(rate: float, seconds: float) -> Iterator[float]:
    """Yield when each is due, in seconds from the start: `rate` a second for so many seconds."""
    return (number / rate for number in range(int(rate * seconds)))


def paced(
    due: Iterable[float], act: Callable[[int], object], stop: threading.Event | None = None
) -> Achieved:
    """Do `act(number)` at each due time (seconds from now), a few at once; until `stop` is set."""
    stopped = stop or threading.Event()
    started = monotonic()
    schedule = enumerate(due)
    turn = threading.Lock()

    def work() -> tuple[int, float]:
        done, last = 0, started
        while True:
            with turn:
                number, at = next(schedule, (-1, 0.0))
            if number < 0 or stopped.wait(max(0.0, started + at - monotonic())):
                return done, last
            act(number)
            done, last = done + 1, monotonic()

    with ThreadPoolExecutor(_THREADS) as pool:
        ended = [future.result() for future in [pool.submit(work) for _ in range(_THREADS)]]
    return Achieved(sum(done for done, _ in ended), max(last for _, last in ended) - started)
