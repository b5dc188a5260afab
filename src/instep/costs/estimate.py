"""The month of a workload, item by item: how often what was counted happens, times its price.

Every change feeds every collection. Not in it: trouble, which enters states and calls functions
once more; the mirrored table itself and its stream, what made the vectors, and data that leaves the
region.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

from instep.costs import counted, metric_names
from instep.costs.prices import MONTH_SECONDS, added, stream_calls

BATCH_SECONDS: Final = 1.0  # that the stream waits to fill a batch
KEPT_DAYS: Final = 30  # what a sweep deleted stays so long in a versioned bucket
_DAY: Final = 86_400
_GB: Final = 1_000_000_000


@dataclass(frozen=True)
class Workload:
    """`changes` a second, steadily, in collections of so many `embeddings` each; `stored_gb` of
    snapshots beside what the changes make. `probe_minutes` 0: there is no probe.
    """

    changes: float
    collections: int
    round_seconds: int = 10
    schedule_minutes: int = 5
    probe_minutes: int = 0
    keep_days: int = 7
    embeddings: int = 20_000
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
    def probes(self) -> float:
        """Executions of the probe a month."""
        return MONTH_SECONDS / (self.probe_minutes * 60) if self.probe_minutes else 0.0

    @property
    def changes_a_round(self) -> float:
        """Changes that a round takes."""
        return self.changes * MONTH_SECONDS / self.rounds if self.rounds else 0.0

    @property
    def version_bytes(self) -> float:
        """Bytes of the version that a round publishes of a collection."""
        scattered: float = self.changes_a_round**counted.CHANGE_SHARES
        return counted.VERSION_BYTES + scattered * counted.CHANGE_BYTES

    @property
    def base_bytes(self) -> float:
        """Bytes of the base that a fold writes of a collection: rows, without the vectors."""
        return self.embeddings * counted.BASE_BYTES

    @property
    def folds(self) -> float:
        """Folds of a collection a month: its versions are many, or weigh as much as their base."""
        heavy = max(self.base_bytes, counted.LEAST_BASE_BYTES) / self.version_bytes
        return self.rounds / max(1.0, min(counted.VERSIONS_A_FOLD, heavy))

    @property
    def _distance(self) -> float:
        return self.round_seconds + counted.LATE_SECONDS


def month(load: Workload) -> dict[str, float]:
    """Return what a month of it uses, by item of `prices`."""
    starts = MONTH_SECONDS / (load.schedule_minutes * 60)
    idle = added({"schedules": 1}, counted.IDLE_START, counted.EMPTY_LOOK.used())
    way = _steady(load) if load.is_steady else _alone(load)
    folds = _times(a_fold(load), load.folds * load.collections)
    return added(
        _times(idle, starts), _probes(load), way, folds, _traces(load, starts), _kept(load)
    )


def _steady(load: Workload) -> dict[str, float]:
    """One runner without an end, a round at a time."""
    ingests = _ingests(load)
    records = ceil(load.changes * MONTH_SECONDS / ingests)
    messages = ceil(records / counted.RECORDS_A_MESSAGE) * ingests / load.rounds
    calls = counted.receives(messages) + ceil(messages / counted.MESSAGES_A_CALL)  # and deleted
    a_round = added(
        counted.ROUND, counted.PARSE.used(), counted.SETTLE.used(), {"sqs": calls},
        _times(_collection(load.changes_a_round), load.collections),
    )  # fmt: skip
    return added(_times(counted.INGEST.used(), ingests), _times(a_round, load.rounds))


def _alone(load: Workload) -> dict[str, float]:
    """An execution a change."""
    one = added(
        counted.ALONE, counted.FIRST_INGEST.used(), counted.PARSE.used(), {"sqs": 3},
        counted.EMPTY_LOOK.used(), counted.SETTLE.used(), _times(_collection(1), load.collections),
    )  # fmt: skip
    return _times(one, load.rounds)


def _probes(load: Workload) -> dict[str, float]:
    """Executions that change nothing, and so publish nothing."""
    collection = [call.used() for call in counted.A_COLLECTION if call is not counted.PUBLISH]
    one = added(
        {"schedules": 1}, counted.PROBE, counted.PASTED.used(), counted.SETTLE.used(),
        _times(added(*collection), load.collections),
    )  # fmt: skip
    return _times(one, load.probes)


def _collection(changes: float) -> dict[str, float]:
    """Return what a round uses for one collection."""
    more = counted.A_CHANGE
    used = [
        call.used(more.ms * changes if call is counted.APPLY else 0.0)
        for call in counted.A_COLLECTION
    ]
    return added(*used, _times(more.requests, changes))


def a_fold(load: Workload) -> dict[str, float]:
    """Return what a fold of one collection uses: none of its vectors is new."""
    calls = [
        call.used(counted.FOLD_MS * load.embeddings if call is counted.FOLD else 0.0)
        for call in counted.A_FOLD
    ]
    return added(counted.FOLDING, *calls)


def _ingests(load: Workload) -> float:
    return stream_calls(load.changes, 1, BATCH_SECONDS) * MONTH_SECONDS


def _traces(load: Workload, starts: float) -> dict[str, float]:
    """An execution's each; its rounds and calls are part of it."""
    return {"traces": starts + load.probes + (0 if load.is_steady else load.rounds)}


def _kept(load: Workload) -> dict[str, float]:
    """Return what lies there by the month: versions, bases and metrics."""
    made = (load.rounds * load.version_bytes + load.folds * load.base_bytes) * load.collections
    days = load.keep_days + KEPT_DAYS
    return {
        "s3_gb": load.stored_gb + made / _GB * days * _DAY / MONTH_SECONDS,
        "metrics": metric_names.busy(load.collections) if load.changes else 0,
    }


def _times(used: Mapping[str, float], times: float) -> dict[str, float]:
    return {item: amount * times for item, amount in used.items()}
