"""Medians, turns and slopes."""

import math

import pytest

from benchmarks.measure import (
    Run,
    Stopwatch,
    exponent,
    interleave,
    measured,
    median_run,
    ratio,
    short,
    spell,
)
from benchmarks.traffic import Reading


class Meter:
    def __init__(self) -> None:
        self.up = 0

    def reading(self) -> Reading:
        return Reading(up=self.up, down=7, requests=self.up)


def test_a_run_counts_only_what_happened_within() -> None:
    meter = Meter()
    meter.up = 5

    def work(watch: Stopwatch) -> None:
        for _ in range(2):
            with watch.phase("send"):
                meter.up += 1

    run = measured(meter, work)
    assert (run.up, run.down, run.requests) == (2, 0, 2)
    assert 0 <= run.phases["send"] <= run.seconds


def test_sides_take_turns_in_who_goes_first() -> None:
    order: list[str] = []

    def side(name: str, number: int) -> Run:
        order.append(f"{name}{number}")
        return Run(1, 0, 0, 0)

    runs = interleave({n: lambda i, n=n: side(n, i) for n in "ab"}, 3)  # type: ignore[misc]
    assert order == ["a0", "b0", "b1", "a1", "a2", "b2"]
    assert [len(taken) for taken in runs.values()] == [3, 3]


def test_the_median_is_taken_of_each_figure() -> None:
    runs = [Run(s, u, 0, 1, {"apply": s}) for s, u in ((1.0, 30), (9.0, 10), (2.0, 20))]
    run = median_run(runs)
    assert (run.seconds, run.up, run.phases["apply"]) == (2.0, 20, 2.0)
    assert spell("x_5k", run) == {
        "x_5k_ms": 2000.0,
        "x_5k_bytes_up": 20,
        "x_5k_bytes_down": 0,
        "x_5k_requests": 1,
        "x_5k_apply_ms": 2000.0,
    }


@pytest.mark.parametrize("slope", [0.0, 0.14, 1.05])
def test_the_exponent_of_a_power_law_is_its_power(slope: float) -> None:
    sizes = [5_000, 20_000, 80_000]
    assert exponent(sizes, [3 * size**slope for size in sizes]) == pytest.approx(slope, abs=1e-3)


def test_a_ratio_over_nothing_is_infinite_and_a_size_is_spelled_short() -> None:
    assert ratio(3, 2) == 1.5
    assert ratio(3, 0) == math.inf
    assert (short(20_000), short(1_500), short(0)) == ("20k", "1500", "0")
