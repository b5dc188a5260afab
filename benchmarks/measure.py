"""Runs of several sides, interleaved, as seconds, bytes and phases; a median of them is a figure.

Interleaved, because the machine is noisy: a slow minute then falls on every side.
"""

import gc
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import TypeAlias

from benchmarks.traffic import Counted

Figures: TypeAlias = dict[str, float]


class Stopwatch:
    """Takes the seconds of a run's phases; a phase entered twice adds up."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time what is done within."""
        start = perf_counter()
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + perf_counter() - start


@dataclass(frozen=True)
class Run:
    """One run of one side: seconds, bytes of bodies up and down, requests, seconds a phase."""

    seconds: float
    up: int
    down: int
    requests: int
    phases: Mapping[str, float] = field(default_factory=dict)


Side: TypeAlias = Callable[[int], Run]
"""Does the run of that number and says what it took; what it prepares first is not counted."""


def measured(traffic: Counted, work: Callable[[Stopwatch], object]) -> Run:
    """Do `work` and return what it took."""
    gc.collect()
    before = traffic.reading()
    watch = Stopwatch()
    start = perf_counter()
    work(watch)
    seconds = perf_counter() - start
    after = traffic.reading()
    return Run(
        seconds,
        up=after.up - before.up,
        down=after.down - before.down,
        requests=after.requests - before.requests,
        phases=watch.phases,
    )


def interleave(sides: Mapping[str, Side], rounds: int, first: int = 0) -> dict[str, list[Run]]:
    """Run every side once a round, in an order that turns, rounds numbered from `first`."""
    names = list(sides)
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(first, first + rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            runs[name].append(sides[name](number))
    return runs


def median_run(runs: Sequence[Run]) -> Run:
    """Return the run whose every figure is the median of that figure."""
    phases = {name: median(run.phases[name] for run in runs) for name in runs[0].phases}
    return Run(
        seconds=median(run.seconds for run in runs),
        up=round(median(run.up for run in runs)),
        down=round(median(run.down for run in runs)),
        requests=round(median(run.requests for run in runs)),
        phases=phases,
    )


def spell(prefix: str, run: Run) -> Figures:
    """Return a run's figures under keys that start with `prefix`: ms, bytes, requests, phases."""
    return {
        f"{prefix}_ms": milliseconds(run.seconds),
        f"{prefix}_bytes_up": run.up,
        f"{prefix}_bytes_down": run.down,
        f"{prefix}_requests": run.requests,
        **{f"{prefix}_{name}_ms": milliseconds(took) for name, took in run.phases.items()},
    }


def milliseconds(seconds: float) -> float:
    """Return milliseconds, to a hundredth."""
    return round(seconds * 1_000, 2)


def ratio(over: float, under: float) -> float:
    """Return `over / under` to three places; infinite when nothing is below the line."""
    return round(over / under, 3) if under else math.inf


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Return b of the least-squares fit value = a * size ** b."""
    xs = [math.log(size) for size in sizes]
    ys = [math.log(value) for value in values]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - x_mean) ** 2 for x in xs)
    return round(sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / spread, 3)


def short(size: int) -> str:
    """Return a size as it stands in a key: 20k, or the number when it is no whole thousand."""
    thousands, rest = divmod(size, 1_000)
    return str(size) if rest or not thousands else f"{thousands}k"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
