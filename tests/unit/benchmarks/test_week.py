"""The simulated week: days and nights, and events that fit into it and name alarms that exist."""

from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.week import DAY, DAYS, estimated, rate, traffic
from benchmarks.week_events import EVENTS

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"


def test_there_is_little_at_night_and_much_at_noon() -> None:
    edits = traffic(2)
    night = [at for at in edits if at % DAY < DAY / 8]
    noon = [at for at in edits if 3 * DAY / 8 < at % DAY < 5 * DAY / 8]
    assert edits == sorted(edits)
    assert 0 < 5 * len(night) < len(noon)
    assert len(edits) / (2 * DAY) == pytest.approx(rate(DAY / 4), rel=0.2)


def test_events_come_one_after_the_other_and_end_with_the_week() -> None:
    for event, following in pairwise(EVENTS):
        assert event.day * DAY + event.lasts <= following.day * DAY, event.name
    assert EVENTS[-1].day * DAY + EVENTS[-1].lasts <= DAYS * DAY


def test_whoever_should_tell_of_an_event_has_a_page_in_the_runbook() -> None:
    pages = RUNBOOK.read_text()
    for name in {name for event in EVENTS for name in event.told_by}:
        assert f"\n## {name}\n" in pages


def test_a_week_is_estimated_hour_by_hour() -> None:
    assert sum(estimated(2).values()) == pytest.approx(2 * sum(estimated(1).values()))
    assert all(usd >= 0 for usd in estimated(1).values())
