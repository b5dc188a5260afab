"""What a live benchmark works out by itself: rates, arrivals, growth, the summary of all rates."""

import math

import pytest

from benchmarks.arrivals import still_missing
from benchmarks.freshness import summary
from benchmarks.freshness import targets_of as freshness_targets
from benchmarks.schedule import NoSchedule, interval
from benchmarks.throughput import growth, targets_of

WORDS = [f"w{number}" for number in range(1_200)]


@pytest.mark.parametrize(
    ("expression", "seconds"), [("rate(5 minutes)", 300), ("rate(1 day)", 86_400)]
)
def test_a_rate_is_so_many_seconds(expression: str, seconds: float) -> None:
    assert interval(expression) == seconds


def test_any_other_schedule_is_refused() -> None:
    with pytest.raises(NoSchedule):
        interval("cron(0 3 * * ? *)")


def test_a_look_ends_at_the_first_words_that_are_missing() -> None:
    asked: list[str] = []

    def carried(words: list[str]) -> dict[str, object]:
        asked.extend(words)
        return {word: "new" if word != "w600" else "old" for word in words}

    left = still_missing(carried, WORDS, "new")
    assert left == ["w600", *WORDS[1_000:]]
    assert asked == WORDS[:1_000]
    assert still_missing(lambda words: dict.fromkeys(words, "new"), left, "new") == []


def test_time_and_memory_are_held_against_the_number_of_changes() -> None:
    figures = {
        "labels_1k_s": 2.0,
        "labels_10k_s": 20.0,
        "labels_100k_s": 200.0,
        "deltas_1k_s": 1.0,
        "deltas_10k_s": 1.0,
        "deltas_100k_s": 1.0,
        "peak_mb_apply_updates_10k": 200.0,
        "peak_mb_apply_updates_100k": 300.0,
        "peak_mb_fold_snapshot_10k": 100.0,
        "peak_mb_fold_snapshot_100k": 900.0,
    }
    grown = growth(figures, [1_000, 10_000, 100_000], 10_000)
    assert grown == {
        "time_exponent": pytest.approx(1.0),
        "deltas_time_exponent": pytest.approx(0.0),
        "memory_ratio_apply_updates": 1.5,
        "memory_ratio_fold_snapshot": 9.0,
    }
    targets = targets_of(figures | grown)
    assert not targets["memory_ratio_apply_updates"].met_by(1.5)
    assert "memory_ratio_fold_snapshot" not in targets  # it holds the index
    assert targets["labels_10k_s"].met_by(20.0)


def test_one_lost_probe_at_any_rate_is_in_the_summary() -> None:
    figures = {
        "r0_10_p95_s": 1.5,
        "r0_10_never_visible": 0,
        "rD_50_never_visible": 2,
        "r0_10_second_runner_rounds": 1,
        "rD_50_second_runner_rounds": 3,
    }
    assert summary(figures, in_step=False) == {
        "r0_10_p95_s": 1.5,
        "never_visible": 2,
        "second_runner_rounds": 4,
        "in_step": 0,
    }


def test_every_rate_has_its_targets_under_both_settings() -> None:
    targets = freshness_targets((1, 100))
    assert targets["r0_100_max_s"].met_by(6.0)
    assert not targets["r0_1_p95_s"].met_by(2.51)
    assert not targets["rD_100_p95_s"].met_by(math.inf)
    assert not targets["never_visible"].met_by(1)
