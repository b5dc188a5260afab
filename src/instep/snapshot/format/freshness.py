"""How fresh a version is: the newest change it carries, and for how long its changes had waited.

A change's time is that of its stream record, which DynamoDB rounds down to the second. Quantiles of
these times go with what is staged; only publish, which is when readers see the changes, makes
durations of them. So a lag is never told too short: an entity that changed several times in a round
counts once and from the first, and what was delivered again counts again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Lag:
    """Stream time to publish, in milliseconds, of so many changes that one round applied."""

    p50_ms: int
    p95_ms: int
    max_ms: int
    changes: int

    def to_payload(self) -> dict[str, Any]:
        """Return the lag as JSON."""
        return asdict(self)

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "Lag":
        """Read what `to_payload` wrote; KeyError, TypeError or ValueError for anything else."""
        return cls(*(_natural(payload[name]) for name in cls.__dataclass_fields__))


@dataclass(frozen=True)
class ChangeTimes:
    """When the changes of a round were made (UTC): half of them at `p50` or later, 95 % at `p95`
    or later, all at `oldest` or later. Nearest rank, so each is the time of one of them.
    """

    changes: int
    p50: datetime
    p95: datetime
    oldest: datetime

    @classmethod
    def of(cls, times: Iterable[datetime]) -> "ChangeTimes | None":
        """Return the quantiles of these times, None when there are none."""
        newest_first = sorted(times, reverse=True)
        if not newest_first:
            return None
        p50, p95, oldest = (_nearest_rank(newest_first, share) for share in (50, 95, 100))
        return cls(len(newest_first), p50, p95, oldest)

    def lag(self, published: datetime) -> Lag:
        """Return for how long the changes had waited; two clocks, so never below 0."""
        waits = (published - at for at in (self.p50, self.p95, self.oldest))
        p50, p95, longest = (max(0, round(wait / _MILLISECOND)) for wait in waits)
        return Lag(p50, p95, longest, self.changes)

    def to_payload(self) -> dict[str, Any]:
        """Return the times as JSON."""
        instants = {name: getattr(self, name).isoformat() for name in ("p50", "p95", "oldest")}
        return {"changes": self.changes, **instants}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "ChangeTimes":
        """Read what `to_payload` wrote; KeyError, TypeError or ValueError for anything else."""
        instants = (instant(payload[name]) for name in ("p50", "p95", "oldest"))
        return cls(_natural(payload["changes"]), *instants)


@dataclass(frozen=True)
class Freshness:
    """`watermark`: the newest stream time known to be applied (UTC), None while there is none.

    It moves with a publish only: a round that finds the snapshot in step already publishes nothing.
    The inbox keeps no order, so an older change may still be on its way. `lag` is that of what this
    version brought; a fold, a rollback and an import bring no change of the table, and have none.
    """

    watermark: datetime | None
    lag: Lag | None


def instant(text: str) -> datetime:
    """Return an ISO 8601 time as an instant, UTC unless it says otherwise; ValueError."""
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def time_or_none(value: Any) -> str | None:
    """Return `value` if it is None or an ISO 8601 time; TypeError or ValueError otherwise."""
    if value is not None:
        instant(value)
    return None if value is None else str(value)


def _nearest_rank(ordered: list[datetime], share: int) -> datetime:
    return ordered[-(-len(ordered) * share // 100) - 1]


def _natural(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value
