"""The simulated week: days and nights, and events that fit into it and name alarms that exist."""

from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.rounds import Round
from benchmarks.week import DAYS, MINUTE, ROUND_SECONDS
from benchmarks.week_cost import estimated, held_against, of_trouble, whole_rounds
from benchmarks.week_events import EVENTS
from benchmarks.week_traffic import DAY, NIGHT, NOON, PROBES, rate, traffic
from benchmarks.window import Window
from instep.costs.counted import LATE_SECONDS
from instep.costs.estimate import Workload, month
from instep.costs.prices import MONTH_SECONDS

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"
LOAD = Workload(0, 1)


def test_there_is_little_at_night_and_much_at_noon() -> None:
    edits = list(traffic(2))
    night = [at for at in edits if at % DAY < DAY / 8]
    noon = [at for at in edits if 3 * DAY / 8 < at % DAY < 5 * DAY / 8]
    assert edits == sorted(edits)
    assert 0 < 5 * len(night) < len(noon)
    assert len(edits) / (2 * DAY) == pytest.approx(rate(DAY / 4), rel=0.2)
    assert (rate(0), rate(DAY / 2)) == pytest.approx((NIGHT, NOON))


def test_events_come_one_after_the_other_and_end_with_the_week() -> None:
    for event, following in pairwise(EVENTS):
        assert event.day * DAY + event.lasts <= following.day * DAY, event.name
    assert EVENTS[-1].day * DAY + EVENTS[-1].lasts <= DAYS * DAY


def test_the_alarm_on_errors_has_time_for_as_many_rounds_as_it_asks_for() -> None:
    """Three errors in five minutes, one a round: minutes are shorter here, and rounds are not."""
    assert 2 * (ROUND_SECONDS + LATE_SECONDS) < 5 * MINUTE


def test_whoever_should_tell_of_an_event_has_a_page_in_the_runbook() -> None:
    pages = RUNBOOK.read_text()
    for name in {name for event in EVENTS for name in event.told_by}:
        assert f"\n## {name}\n" in pages


def test_days_are_estimated_hour_by_hour_and_one_is_like_another() -> None:
    day, other = estimated(0, DAY, LOAD), estimated(3 * DAY, 4 * DAY, LOAD)
    assert day == pytest.approx(other)
    part = estimated(0, 0.7 * DAY, LOAD), estimated(0.7 * DAY, DAY, LOAD)
    assert {item: sum(one[item] for one in part) for item in day} == pytest.approx(day, rel=0.02)


def test_an_hour_has_its_own_changes_and_the_probes() -> None:
    """At noon all of it is one rate, and a 24th of a day is so much of a month."""
    hour = DAY / 24
    used = estimated(DAY / 2 - hour / 2, DAY / 2 + hour / 2, LOAD)
    noon = month(Workload(NOON + PROBES, 1))
    assert used == pytest.approx({item: noon[item] * hour / MONTH_SECONDS for item in noon})


def test_rounds_are_counted_whole() -> None:
    rounds = [Round("one", began, began + 2) for began in (3.0, 13.0, 24.0, 35.0)]
    assert whole_rounds(rounds, Window(0, 30)) == Window(3.0, 24.0)


def test_ordinary_days_are_compared_item_by_item_and_what_was_not_counted_is_left_out() -> None:
    slow = 1 / 0.0000133334  # GB-seconds of a dollar
    counted = {"transitions": 40_000, "lambda_gb_s": slow, "express_gb_s": 0.0}  # a dollar each
    figures = held_against(counted, {"transitions": 44_000, "metrics": 40})
    assert figures["ordinary_counted_usd"] == pytest.approx(2.0)
    assert figures["ordinary_estimated_usd"] == pytest.approx(1.1)
    assert figures["cost_estimated_to_counted"] == pytest.approx(0.55)
    assert figures["cost_counted_to_estimated"] == pytest.approx(1 / 0.55, abs=0.001)
    assert figures["cost_estimated_to_counted_but_for_durations"] == pytest.approx(1.1)


def test_trouble_is_what_is_counted_above_the_estimate() -> None:
    figures = of_trouble({"transitions": 100_000, "sqs": 0}, {"transitions": 40_000, "sqs": 10})
    assert figures["trouble_usd"] == pytest.approx(1.5, abs=1e-4)
    assert figures["trouble_transitions_usd"] == pytest.approx(1.5)
