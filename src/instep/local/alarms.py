"""Which alarms would speak: those of the template, judged by metrics of the local cloud.

The local cloud computes no metrics and takes no alarm on an expression, so what CloudWatch does is
done here: a value a period from what was measured in it, and ALARM when all of the last periods
breach. Where nothing was measured nothing breaches (the alarms say `notBreaching`, all of them).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from instep.clock import Clock, utc_now
from instep.local.metric_math import Value, evaluate

_STATISTICS: Final[Mapping[str, Callable[[list[float]], float]]] = {"Sum": sum, "Maximum": max}
_RETURNED: Final = "returned"


@dataclass(frozen=True)
class Metric:
    """One metric as CloudWatch names it."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Query:
    """A metric's statistic, or an expression over other queries' values by their ids."""

    id: str
    period: float
    metric: Metric | None = None
    statistic: str = ""
    expression: str = ""


@dataclass(frozen=True)
class Alarm:
    """An alarm: the query `returned` is held to `threshold` (at least) for so many periods."""

    name: str
    queries: tuple[Query, ...]
    returned: str
    threshold: float
    periods: int

    @property
    def period(self) -> float:
        """Seconds that one value stands for."""
        return max(query.period for query in self.queries)

    def value(self, source: "MetricSource", began: float, ended: float) -> Value:
        """Return the value of a period; None when nothing was measured in it."""
        values: dict[str, Value] = {}
        for query in self.queries:
            if query.metric is not None:
                values[query.id] = _statistic(query, source.values(query.metric, began, ended))
        for query in self.queries:
            if query.expression:
                values[query.id] = evaluate(query.expression, values)
        return values[self.returned]


class MetricSource(Protocol):
    """Where values come from."""

    def look(self) -> None:
        """Take in what has happened so far; `values` are of what was seen then."""

    def values(self, metric: Metric, began: float, ended: float) -> Iterable[float]:
        """Return what was measured between two instants (epoch seconds); none is no data."""


@dataclass(frozen=True)
class AlarmStates:
    """The alarms of a deployment. `minute`: seconds that stand for a minute of CloudWatch's, so
    that what takes a quarter of an hour there can be watched in seconds.
    """

    alarms: Mapping[str, Alarm]
    source: MetricSource
    minute: float = 60.0
    clock: Clock = utc_now

    def speaking(self, *names: str) -> set[str]:
        """Return which of these alarms (of all) are in ALARM now."""
        self.source.look()
        now = self.clock().timestamp()
        return {name for name in names or self.alarms if self._breaches(self.alarms[name], now)}

    def _breaches(self, alarm: Alarm, now: float) -> bool:
        period = alarm.period * self.minute / 60
        for back in range(alarm.periods):
            ended = now - back * period
            value = alarm.value(self.source, ended - period, ended)
            if value is None or value < alarm.threshold:
                return False
        return True


def read_alarms(template: Mapping[str, Any], physical: Mapping[str, str]) -> dict[str, Alarm]:
    """Return the alarms of a synthesized template by name, without the stack's before it.

    `physical`: the ids of the stack's resources there, by their logical ids.
    """
    found = {}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            properties = resource["Properties"]
            name = properties["AlarmDescription"].rpartition("#")[2]
            queries = tuple(_queries(properties, physical))
            returned = next(query.id for query in queries if _is_returned(query.id, properties))
            found[name] = Alarm(
                name,
                queries,
                returned,
                float(properties["Threshold"]),
                int(properties["EvaluationPeriods"]),
            )
    return found


def _is_returned(id_: str, properties: Mapping[str, Any]) -> bool:
    listed = properties.get("Metrics")
    if listed is None:
        return id_ == _RETURNED
    return any(one["Id"] == id_ and one.get("ReturnData", True) for one in listed)


def _queries(properties: Mapping[str, Any], physical: Mapping[str, str]) -> Iterable[Query]:
    if "Metrics" not in properties:
        metric = _metric(properties, physical)
        yield Query(_RETURNED, float(properties["Period"]), metric, properties["Statistic"])
        return
    for listed in properties["Metrics"]:
        if "Expression" in listed:
            yield Query(listed["Id"], 0.0, expression=listed["Expression"])
        else:
            stat = listed["MetricStat"]
            metric = _metric(stat["Metric"], physical)
            yield Query(listed["Id"], float(stat["Period"]), metric, stat["Stat"])


def _metric(named: Mapping[str, Any], physical: Mapping[str, str]) -> Metric:
    dimensions = sorted(
        (one["Name"], _resolved(one["Value"], physical)) for one in named.get("Dimensions", [])
    )
    return Metric(named["Namespace"], named["MetricName"], tuple(dimensions))


def _resolved(value: Any, physical: Mapping[str, str]) -> str:
    """Return a dimension's value: a text, or what a resource is called there."""
    match value:
        case str():
            return value
        case {"Ref": str() as name}:
            return physical[name]
        case {"Fn::GetAtt": [str() as name, "QueueName"]}:
            return physical[name].rpartition("/")[2]
        case {"Fn::GetAtt": [str() as name, "Id" | "Arn"]}:
            return physical[name]
    raise ValueError(f"a dimension's value of an unknown form: {value}")


def _statistic(query: Query, values: Iterable[float]) -> Value:
    found = list(values)
    return _STATISTICS[query.statistic](found) if found else None
