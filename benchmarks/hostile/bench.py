"""So many mutated inputs over all boundaries; what was not declared, slow or large is named.

An input comes back by its seed, boundary and number: python -m benchmarks.hostile SEED BOUNDARY N
"""

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from benchmarks.hostile.crew import Crew
from benchmarks.hostile.trial import Tally, merged, worst
from benchmarks.hostile.worker import Work
from benchmarks.report import Report, at_least, at_most

if TYPE_CHECKING:
    from benchmarks.measure import Figures
    from benchmarks.stage import Stage

INPUTS: Final = 1_000_000
SEED: Final = 16
TARGETS: Final = {
    "undeclared": at_most(0),
    "slowest_s": at_most(5),
    "largest_mb": at_most(500),
    "inputs": at_least(INPUTS),
}

_TASK_SECONDS: Final = 2.0  # what a worker that dies has to do again at most
_MOST_A_TASK: Final = 5_000


def run(
    _stage: "Stage | None", inputs: int = INPUTS, seed: int = SEED, processes: int | None = None
) -> Report:
    """Return what came of so many inputs; nothing of it needs a stage."""
    processes = processes or os.cpu_count() or 1
    with Crew(processes, seed) as crew:
        shares = shared(inputs, crew.costs)
        tallies = list(crew.run(tasks(shares, crew.costs)))
    whole = [merged(name, (t for t in tallies if t.boundary == name)) for name in shares]
    return Report(
        "hostile",
        f"{inputs:,} inputs over {len(shares)} boundaries by {processes} processes, seed {seed}",
        figures(whole, seed),
        TARGETS,
        remark="\n".join(worst(whole)),
    )


def shared(inputs: int, costs: Mapping[str, float]) -> dict[str, int]:
    """Share the inputs out: a boundary that costs four times as much gets half as many."""
    weights = {name: 1 / math.sqrt(cost) for name, cost in costs.items()}
    return {
        name: max(1, round(inputs * weight / sum(weights.values())))
        for name, weight in weights.items()
    }


def tasks(shares: Mapping[str, int], costs: Mapping[str, float]) -> list[Work]:
    """Cut each share into pieces of a few seconds, the dear ones first."""
    found: list[Work] = []
    for name in sorted(shares, key=lambda name: -costs[name]):
        length = min(_MOST_A_TASK, max(1, int(_TASK_SECONDS / costs[name])))
        found += [
            Work(name, start, min(start + length, shares[name]))
            for start in range(0, shares[name], length)
        ]
    return found


def figures(tallies: Sequence[Tally], seed: int) -> "Figures":
    """Return the figures: of all, then how often each boundary ended in what."""
    found: Figures = {
        "inputs": sum(tally.ends.total() for tally in tallies),
        "undeclared": sum(bool(outcome.fault) for tally in tallies for outcome in tally.bad),
        "slowest_s": round(max(t.slowest.seconds for t in tallies if t.slowest), 3),
        "largest_mb": round(max(tally.largest for tally in tallies), 1),
        "seed": seed,
    }
    for tally in tallies:
        for end, number in sorted(tally.ends.items()):
            found[f"{tally.boundary}: {end}"] = number
    return found
