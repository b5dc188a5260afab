"""A lease that another holds for an hour while changes go on coming: messages wait, and that is all
that happens to them.
"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from instep.cdk.ingest import MAX_RECEIVES
from instep.clock import utc_now
from instep.flow.lease import LeaseTable
from tests.support.arrivals import RECEIPT, arrive, assert_green, queued
from tests.support.aws import LOCKS
from tests.support.pipeline import Payload, Pipeline, Run

HELD = timedelta(hours=1)
PATIENCE = timedelta(minutes=2)  # the longest delay of a deferred message, and a round


class BusyWords(Pipeline):
    """The words' lease is another's, who renews it at every look until `held_until`; at the first
    and every third of these looks the merchant changes, which both collections carry.
    """

    held = False
    held_until: datetime
    looks = 0
    newest = ""
    receives = 0

    def hold(self) -> None:
        self.held, self.held_until = True, utc_now() + HELD
        self.leases = LeaseTable(self.aws.dynamodb, LOCKS, timedelta(minutes=5))
        self.lease = self.leases.acquire("words", "another", "for an hour")

    def parse(self, execution: str, content: Any = None, state: Payload | None = None) -> Payload:
        if self.held and utc_now() < self.held_until:
            self.lease = self.leases.renew(self.lease)
            if self.looks % 3 == 0:
                self.ingest(self.put(RECEIPT.metadata(merchant_name=f"shop {self.looks}")))
                self.newest = f"Shop {self.looks}"
            self.looks += 1
        elif self.held:
            self.leases.release(self.lease)
            self.held = False
        self.receives = max(self.receives, self.aws.most_received())
        return super().parse(execution, content, state)


@pytest.fixture
def busy(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> BusyWords:
    monkeypatch.setenv("ROUND_SECONDS", "60")  # an hour in sixty rounds
    return BusyWords(pipeline.aws)


@pytest.mark.invariant(1)
def test_an_hour_of_a_held_lease_under_traffic_costs_no_message(busy: BusyWords) -> None:
    arrive(busy)
    assert_green(busy.run(execution="before"))
    busy.hold()
    runs: list[Run] = []
    while queued(busy) != (0, 0) or not runs:
        runs.append(busy.run())
        assert_green(runs[-1])
    rounds = [outcome for run in runs for outcome in run.outcomes]
    late = utc_now() - busy.held_until

    assert busy.rejected() == []
    assert sum(one.get("words") == "deferred" for one in rounds) > 30
    assert all(one["lines"] == "applied" for one in rounds if "lines" in one)
    assert busy.receives < MAX_RECEIVES / 4
    assert late < PATIENCE
    for collection in ("lines", "words"):
        carried = busy.embeddings(collection)
        assert {one["merchant_name"] for one in carried.values()} == {busy.newest}
