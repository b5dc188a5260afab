"""A seed is a plan: the same troubles at the same moments, of every kind."""

from collections import Counter
from itertools import pairwise

from benchmarks.troubles import KINDS, plan, traffic

TWENTY_MINUTES = 1_200.0


def test_a_seed_is_one_plan_and_another_seed_another() -> None:
    assert plan(15, TWENTY_MINUTES) == plan(15, TWENTY_MINUTES)
    assert plan(15, TWENTY_MINUTES) != plan(16, TWENTY_MINUTES)
    assert traffic(15, 60) == traffic(15, 60)


def test_twenty_minutes_hold_trouble_of_every_kind_in_order_of_time() -> None:
    troubles = plan(15, TWENTY_MINUTES)
    assert Counter(trouble.kind for trouble in troubles).keys() == set(KINDS)
    dues = [trouble.due for trouble in troubles]
    assert dues == sorted(dues)
    assert 0 <= dues[0] < dues[-1] < TWENTY_MINUTES
    assert all(0 < trouble.lasts <= 30 and 0 <= trouble.dice < 1 for trouble in troubles)


def test_traffic_swells_between_one_and_twenty_a_second_and_bursts_on_top() -> None:
    due = traffic(15, TWENTY_MINUTES)
    assert due == sorted(due)
    first_minute = [at for at in traffic(1, 240) if at < 2]
    assert 1 <= len(first_minute) <= 4  # the wave begins low
    gaps = [later - earlier for earlier, later in pairwise(due)]
    assert max(gaps) <= 1.0
    a_second = Counter(int(at) for at in due)
    assert max(a_second.values()) >= 100  # a burst
    assert 5 < len(due) / TWENTY_MINUTES < 20
