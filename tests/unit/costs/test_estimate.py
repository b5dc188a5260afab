"""The month of a workload, held against what the benchmark counted whole (docs/adr/0013)."""

import pytest

from instep.cli.cost import _NAMES
from instep.costs.estimate import Workload, month
from instep.costs.prices import PRICES, bill

COUNTED = {  # dollars a month: a change a second on two collections, rounds 10 s apart
    ("transitions",): 19.0,
    ("traces",): 12.0,
    ("s3_put",): 8.6,
    ("log_gb",): 6.4,
    ("lambda_requests", "lambda_gb_s"): 5.5,
    ("dynamodb_write", "dynamodb_read"): 2.7,
    ("sqs",): 1.7,
    ("s3_get",): 1.1,
    ("express_requests", "express_gb_s"): 0.5,
}
NOT_COUNTED = {"metrics", "s3_gb"}


def dollars(load: Workload) -> dict[str, float]:
    return bill(month(load))


def test_a_change_a_second_costs_what_was_counted_item_by_item() -> None:
    costs = dollars(Workload(1, 2))
    for items, counted in COUNTED.items():
        assert sum(costs[item] for item in items) == pytest.approx(counted, rel=0.2, abs=0.4), items
    whole = sum(usd for item, usd in costs.items() if item not in NOT_COUNTED)
    assert whole == pytest.approx(57.29, rel=0.1)


def test_an_idle_month_is_the_schedule_alone() -> None:
    assert sum(dollars(Workload(0, 2)).values()) == pytest.approx(0.96, rel=0.1)


def test_changes_that_come_alone_have_an_execution_each() -> None:
    """A steady change every eleven seconds: 48 dollars in states, eight for each."""
    apart = dollars(Workload(1 / 11, 2))
    assert apart["transitions"] == pytest.approx(48, rel=0.05)
    assert dollars(Workload(1 / 10, 2))["transitions"] < apart["transitions"] / 2


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (Workload(1, 2), Workload(50, 2)),
        (Workload(50, 2), Workload(500, 2)),
        (Workload(0.01, 1), Workload(0.02, 1)),
        (Workload(5, 2), Workload(5, 8)),
        (Workload(5, 2), Workload(5, 2, round_seconds=0)),
        (Workload(0, 1), Workload(0, 1, schedule_minutes=1)),
        (Workload(5, 2), Workload(5, 2, keep_days=90)),
        (Workload(5, 2), Workload(5, 2, stored_gb=1)),
    ],
)
def test_more_of_anything_costs_more_and_nothing_less(less: Workload, more: Workload) -> None:
    one, other = dollars(less), dollars(more)
    assert sum(one.values()) < sum(other.values())
    assert all(usd <= other[item] * 1.000001 for item, usd in one.items())


def test_every_item_has_a_price_and_a_name_for_people() -> None:
    used = month(Workload(1, 2)).keys() | month(Workload(0.01, 2)).keys()
    assert used == PRICES.keys() == _NAMES.keys()
