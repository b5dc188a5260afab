"""What CloudWatch would have measured of a deployment, read from the local cloud's services.

A function's own metrics are the EMF lines of its log; AWS/Lambda's are told by the platform's lines
around them, AWS/States' by the executions' ends, AWS/SQS' by looking at the queues each time that
one asks. A call is seen when it has ended, as its log is. Of what no log holds (a throttled call,
what becomes of a stream's records) the local cloud tells its CloudWatch itself.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from math import floor
from typing import Any, Final, Literal, TypeVar

from instep.clock import Clock, utc_now
from instep.local.alarms import Metric
from instep.local.metrics import emf_document, log_events
from instep.local.target import Target

_REPORT: Final = re.compile(r"^REPORT RequestId: \S+\tDuration: ([\d.]+) ms")
_DONE: Final = "CompactionLambdaSuccess"
_ENDS: Final = {
    "ExecutionsSucceeded": "SUCCEEDED",
    "ExecutionsFailed": "FAILED",
    "ExecutionsTimedOut": "TIMED_OUT",
    "ExecutionsAborted": "ABORTED",
}
_TOLD: Final = {"Throttles", "OnFailureDestinationDeliveredEventCount", "DroppedEventCount"}
"""Of AWS/Lambda, what the local cloud tells itself (instep.local.gaps, and MiniStack)."""
_A_MOMENT: Final = 1.0  # seconds: a look belongs to the period at whose end it was taken

Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Call:
    """One call of a function that ended: when (epoch seconds), and whether well."""

    began: float
    ended: float
    well: bool


@dataclass
class CloudMetrics:
    """A MetricSource of the stack's resources. Queues, and a stream that is not got through, tell
    only how they are: how they were at each look is remembered. `since`: what was before this
    instant (epoch seconds) is not counted.
    """

    target: Target
    stack: str
    clock: Clock = utc_now
    since: float = 0.0
    _looks: dict[Metric, list[tuple[float, float]]] = field(default_factory=dict)
    _seen: dict[str, Any] = field(default_factory=dict)

    def look(self) -> None:
        """Forget what the last look saw, but for the queues."""
        self._seen.clear()

    def values(self, metric: Metric, began: float, ended: float) -> Iterator[float]:
        """Yield what was measured between two instants (epoch seconds)."""
        began = max(began, self.since)
        match metric.namespace:
            case "AWS/SQS":
                return self._at_looks(metric, self._of_queue, began, ended)
            case "AWS/States":
                return self._of_machine(metric, began, ended)
            case "AWS/Lambda" if metric.name == "IteratorAge":
                seen = self._at_looks(metric, self._unread, began, ended)
                return chain(self._told(metric, began, ended), seen)
            case "AWS/Lambda" if metric.name in _TOLD:
                return self._told(metric, began, ended)
            case "AWS/Lambda":
                return self._of_function(metric, began, ended)
        return self._own(metric, began, ended)

    def _at_looks(
        self, metric: Metric, see: Callable[[Metric], float | None], began: float, ended: float
    ) -> Iterator[float]:
        """Yield what was seen at the looks of a period; None is no value."""
        looks = self._looks.setdefault(metric, [])
        now = self._once(f"at {metric}", lambda: (self.clock().timestamp(), see(metric)))
        if now[1] is not None and now not in looks[-1:]:
            looks.append((now[0], now[1]))
        return iter([value for at, value in looks if began <= at <= ended + _A_MOMENT])

    def _once(self, what: str, see: Callable[[], Seen]) -> Seen:
        """Return what this look has seen already, or sees now."""
        if what not in self._seen:
            self._seen[what] = see()
        found: Seen = self._seen[what]
        return found

    # -- queues

    def _of_queue(self, metric: Metric) -> float:
        sqs = self.target.client("sqs")
        url = sqs.get_queue_url(QueueName=dict(metric.dimensions)["QueueName"])["QueueUrl"]
        if metric.name == "ApproximateAgeOfOldestMessage":
            return self._oldest(sqs, url)
        answer = sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
        )
        return float(answer["Attributes"]["ApproximateNumberOfMessages"])

    def _oldest(self, sqs: Any, url: str) -> float:
        """Seconds that the oldest of some ten visible messages has waited."""
        found = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=0,
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        sent = [int(one["Attributes"]["SentTimestamp"]) for one in found.get("Messages", [])]
        return self.clock().timestamp() - min(sent) / 1_000 if sent else 0.0

    # -- machines

    def _of_machine(self, metric: Metric, began: float, ended: float) -> Iterator[float]:
        machine = dict(metric.dimensions)["StateMachineArn"]
        for run in self._once(machine, lambda: self._executions(machine)):
            at = run["startDate"] if metric.name == "ExecutionsStarted" else run.get("stopDate")
            of_this = run["status"] == _ENDS.get(metric.name, run["status"])
            if at is not None and of_this and began <= at.timestamp() <= ended:
                yield 1.0

    def _executions(self, machine: str) -> list[dict[str, Any]]:
        pages = self.target.client("stepfunctions").get_paginator("list_executions")
        return [
            run for page in pages.paginate(stateMachineArn=machine) for run in page["executions"]
        ]

    # -- what the local cloud tells itself

    def _told(self, metric: Metric, began: float, ended: float) -> Iterator[float]:
        for at, value in self._once(str(metric), lambda: self._points(metric)):
            if began <= at <= ended:
                yield value

    def _points(self, metric: Metric) -> list[tuple[float, float]]:
        """Return the greatest value of each second since, or their sum, with the second's end (it
        has no finer ones), or this instant while that lasts.
        """
        statistic: Literal["Maximum", "Sum"] = "Maximum" if metric.name == "IteratorAge" else "Sum"
        named = dict(metric.dimensions)
        named.pop("Resource", None)  # an alias: here a call is told of its function alone
        now = self.clock()
        found = self.target.client("cloudwatch").get_metric_statistics(
            Namespace=metric.namespace,
            MetricName=metric.name,
            Dimensions=[{"Name": name, "Value": value} for name, value in named.items()],
            StartTime=datetime.fromtimestamp(floor(self.since), UTC),
            EndTime=now,
            Period=1,
            Statistics=[statistic],
        )
        return [
            (min(one["Timestamp"].timestamp() + 1, now.timestamp()), one[statistic])
            for one in found["Datapoints"]
        ]

    def _unread(self, metric: Metric) -> float | None:
        """Milliseconds that the batch is old by now which a function does not get through: it is
        handed to it again and again. None: the last one was got through.
        """
        name = dict(metric.dimensions)["FunctionName"]
        mappings = self.target.client("lambda").list_event_source_mappings(FunctionName=name)
        results = [one.get("LastProcessingResult") for one in mappings["EventSourceMappings"]]
        points = self._once(str(metric), lambda: self._points(metric))
        if "FAILED" not in results or not points:
            return None
        handed, age = max(points)
        return age + 1_000 * (self.clock().timestamp() - handed)

    # -- functions

    @cached_property
    def _functions(self) -> dict[str, dict[str, Any]]:
        """The stack's functions by name: `service`, and the log `group`."""
        pages = self.target.client("lambda").get_paginator("list_functions").paginate()
        found = {}
        for function in (one for page in pages for one in page["Functions"]):
            variables = function.get("Environment", {}).get("Variables", {})
            if variables.get("STACK_NAME") == self.stack:
                usual = f"/aws/lambda/{function['FunctionName']}"
                found[function["FunctionName"]] = {
                    "service": variables["POWERTOOLS_SERVICE_NAME"],
                    "group": function.get("LoggingConfig", {}).get("LogGroup", usual),
                }
        return found

    def _of_function(self, metric: Metric, began: float, ended: float) -> Iterator[float]:
        name = dict(metric.dimensions).get("FunctionName")
        if name is None:
            return
        for call in self._calls(self._functions[name]["group"], began):
            if metric.name == "ConcurrentExecutions" and call.began <= ended:
                yield 1.0
            elif began <= call.ended <= ended:
                if metric.name == "Errors":
                    yield 0.0 if call.well else 1.0
                elif metric.name == "Invocations":
                    yield 1.0
                elif metric.name == "Duration":
                    yield 1_000 * (call.ended - call.began)

    def _calls(self, group: str, since: float) -> Iterator[Call]:
        """Yield the calls that ended since; a call's lines are one after another."""
        well = False
        for at, line in self._log(group, since):
            well = well or f'"{_DONE}":[' in line
            report = _REPORT.match(line)
            if report is not None:
                yield Call(at - float(report[1]) / 1_000, at, well)
                well = False

    def _log(self, group: str, began: float) -> list[tuple[float, str]]:
        """Return the lines of a log since an instant, each with when it was written."""
        logs = self.target.client("logs")
        lines = self._once(group, lambda: log_events(logs, group, self.since))
        return [(at, line) for at, line in lines if at >= began]

    def _own(self, metric: Metric, began: float, ended: float) -> Iterator[float]:
        dimensions = dict(metric.dimensions)
        groups = [
            each["group"]
            for each in self._functions.values()
            if each["service"] == dimensions["service"]
        ]
        for group in groups:
            for at, line in self._log(group, began):
                document = emf_document(line)
                told = document is not None and _tells(document, metric.name, dimensions)
                if document is not None and told and at <= ended:
                    yield from map(float, document[metric.name])


def _tells(document: dict[str, Any], name: str, dimensions: dict[str, str]) -> bool:
    """Say whether an EMF line has a value of this very metric."""
    (described,) = document["_aws"]["CloudWatchMetrics"]
    exact = [set(each) == set(dimensions) for each in described["Dimensions"]]
    same = all(document.get(key) == value for key, value in dimensions.items())
    return name in document and any(exact) and same
