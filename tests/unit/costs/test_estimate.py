"""The month of a workload, held against what the benchmark counted whole (docs/adr/0013)."""

import pytest

from instep.cli.cost import _NAMES
from instep.costs.counted import LEAST_BASE_BYTES, VERSIONS_A_FOLD
from instep.costs.estimate import Workload, a_fold, month
from instep.costs.prices import PRICES, bill
from instep.snapshot.acts.folding import CHAIN_LAYERS

COUNTED = {  # dollars a month: a change a second on two collections, rounds 10 s apart
    ("transitions",): 19.0,
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


def of_folds(load: Workload) -> dict[str, float]:
    """None came in the two minutes that were counted."""
    folds = load.folds * load.collections
    return {item: usd * folds for item, usd in bill(a_fold(load)).items()}


def test_a_change_a_second_costs_what_was_counted_item_by_item() -> None:
    load = Workload(1, 2)
    folds = of_folds(load)
    costs = {item: usd - folds.get(item, 0.0) for item, usd in dollars(load).items()}
    for items, counted in COUNTED.items():
        assert sum(costs[item] for item in items) == pytest.approx(counted, rel=0.2, abs=0.4), items
    whole = sum(usd for item, usd in costs.items() if item not in NOT_COUNTED)
    assert whole == pytest.approx(45.23, rel=0.1)


def test_a_fold_is_due_when_the_app_s_own_policy_says_so() -> None:
    assert (VERSIONS_A_FOLD, LEAST_BASE_BYTES) == (CHAIN_LAYERS, 1 << 20)
    load = Workload(1, 2)
    assert load.folds == pytest.approx(load.rounds / CHAIN_LAYERS)
    many = Workload(100, 2)  # whose versions weigh as much as their base before they are as many
    assert many.folds > 1.5 * load.folds


def test_a_larger_collection_costs_by_its_folds() -> None:
    small, large = dollars(Workload(1, 2)), dollars(Workload(1, 2, embeddings=200_000))
    dearer = {item for item, usd in large.items() if usd > small[item] * 1.000001}
    assert dearer == {"lambda_gb_s", "s3_gb"}


def test_a_probe_costs_what_was_reckoned_for_it() -> None:
    """Some 1.7 dollars a month (docs/adr/0020), a dollar of it in states."""
    with_it, without = dollars(Workload(0, 2, probe_minutes=5)), dollars(Workload(0, 2))
    assert sum(with_it.values()) - sum(without.values()) == pytest.approx(1.7, rel=0.1)
    assert with_it["transitions"] - without["transitions"] == pytest.approx(1.1, rel=0.01)


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
