"""The month of a workload, item by item: how often what was counted happens, times its price.

Every change feeds every collection. Not in it: the mirrored table itself and its stream, what made
the vectors, folds (which follow new vectors, not changes), and data that leaves the region.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

from instep.costs import counted
from instep.costs.prices import MONTH_SECONDS, added, stream_calls, traces_recorded

BATCH_SECONDS: Final = 1.0  # that the stream waits to fill a batch
KEPT_DAYS: Final = 30  # what a sweep deleted stays so long in a versioned bucket
_DAY: Final = 86_400
_GB: Final = 1_000_000_000


@dataclass(frozen=True)
class Workload:
    """`changes` a second, steadily; `stored_gb` of snapshots beside what the changes make."""

    changes: float
    collections: int
    round_seconds: int = 10
    schedule_minutes: int = 5
    keep_days: int = 7
    stored_gb: float = 0.0

    @property
    def is_steady(self) -> bool:
        """Whether the next change comes before the runner has looked for it and ended."""
        return self.changes * self._distance >= 1

    @property
    def rounds(self) -> float:
        """Rounds a month: one after the other, or one a change."""
        a_second = 1 / self._distance if self.is_steady else self.changes
        return a_second * MONTH_SECONDS

    @property
    def _distance(self) -> float:
        return self.round_seconds + counted.LATE_SECONDS


def month(load: Workload) -> dict[str, float]:
    """Return what a month of it uses, by item of `prices`."""
    starts = MONTH_SECONDS / (load.schedule_minutes * 60)
    idle = added({"schedules": 1}, counted.IDLE_START, counted.EMPTY_LOOK.used())
    way = _steady(load) if load.is_steady else _alone(load)
    return added(_times(idle, starts), way, _traces(load, starts), _kept(load))


def _steady(load: Workload) -> dict[str, float]:
    """One runner without an end, a round at a time."""
    ingests = _ingests(load)
    records = ceil(load.changes * MONTH_SECONDS / ingests)
    messages = ceil(records / counted.RECORDS_A_MESSAGE) * ingests / load.rounds
    changes = load.changes * MONTH_SECONDS / load.rounds
    calls = 2 * ceil(messages / counted.MESSAGES_A_CALL)  # received and deleted
    a_round = added(
        counted.ROUND, counted.PARSE.used(), counted.SETTLE.used(), {"sqs": calls},
        _times(_collection(changes), load.collections),
    )  # fmt: skip
    return added(_times(counted.INGEST.used(), ingests), _times(a_round, load.rounds))


def _alone(load: Workload) -> dict[str, float]:
    """An execution a change."""
    one = added(
        counted.ALONE, counted.FIRST_INGEST.used(), counted.PARSE.used(), {"sqs": 2},
        counted.EMPTY_LOOK.used(), counted.SETTLE.used(), _times(_collection(1), load.collections),
    )  # fmt: skip
    return _times(one, load.rounds)


def _collection(changes: float) -> dict[str, float]:
    """Return what a round uses for one collection."""
    more = counted.A_CHANGE
    used = [
        call.used(more.ms * changes if call.mb == more.mb else 0.0) for call in counted.A_COLLECTION
    ]
    return added(*used, _times(more.requests, changes))


def _ingests(load: Workload) -> float:
    return stream_calls(load.changes, 1, BATCH_SECONDS) * MONTH_SECONDS


def _traces(load: Workload, starts: float) -> dict[str, float]:
    executions = starts + (0 if load.is_steady else load.rounds)
    return {"traces": traces_recorded(_ingests(load) + executions, MONTH_SECONDS)}


def _kept(load: Workload) -> dict[str, float]:
    """Return what lies there by the month: versions and metrics."""
    versions = load.rounds * load.collections
    made = versions * counted.VERSION_BYTES + (
        load.changes * MONTH_SECONDS * load.collections * counted.CHANGE_BYTES
    )
    days = load.keep_days + KEPT_DAYS
    names = counted.METRICS + counted.METRICS_A_COLLECTION * load.collections
    return {
        "s3_gb": load.stored_gb + made / _GB * days * _DAY / MONTH_SECONDS,
        "metrics": names if load.changes else 0,
    }


def _times(used: Mapping[str, float], times: float) -> dict[str, float]:
    return {item: amount * times for item, amount in used.items()}
