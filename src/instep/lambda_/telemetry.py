"""Logger, tracer and metrics, made once, and the one decorator that every handler wears.

Names of log messages, metrics and annotations are docs/domain.md's. Counts are accumulated over a
call and written once; the correlation id of every line is the execution's name.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from threading import Lock
from time import perf_counter
from typing import Any, Final, cast

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools import Metrics as EmbeddedMetrics
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from instep.errors import CompactionError
from instep.lambda_.settings import stack_name
from instep.memory import peak_memory_mb

Payload = dict[str, Any]
Handler = Callable[[Payload, LambdaContext], Payload]

_NAMESPACE: Final = "EmbeddingWorkflow"
# What a line's log group and Lambda's own lines say too: five million calls a month pay for it.
_TOLD_ELSEWHERE: Final = ("function_arn", "function_memory_size")

logger: Final = Logger()
tracer: Final = Tracer(auto_patch=False)  # the workflow's own trace names each state already


class Counts:
    """The library's metrics sink: adds up, so that a batch costs one line whatever its size."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._gauges: dict[str, dict[str, int]] = defaultdict(dict)
        self._embedded = EmbeddedMetrics(namespace=_NAMESPACE)
        self._embedded.set_default_dimensions(stack=stack_name())

    def count(self, name: str, value: int = 1) -> None:
        """Add `value` to the metric `name`."""
        with self._lock:
            self._counts[name] += value

    def gauge(self, name: str, value: int, collection: str) -> None:
        """Say what `name` is for a collection, which is a dimension of its own; the last counts."""
        with self._lock:
            self._gauges[collection][name] = value

    def flush(self) -> None:
        """Write all since the last flush: one EMF line of counts, and one a collection of gauges"""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            gauges, self._gauges = self._gauges, defaultdict(dict)
        for name, value in counts.items():
            self._embedded.add_metric(name=name, unit=MetricUnit.Count, value=value)
        self._embedded.flush_metrics()
        for collection, values in gauges.items():
            of_collection = EphemeralMetrics(namespace=_NAMESPACE)
            of_collection.add_dimension("stack", stack_name())
            of_collection.add_dimension("collection", collection)
            for name, value in values.items():
                of_collection.add_metric(name=name, unit=MetricUnit.Count, value=value)
            of_collection.flush_metrics()


metrics: Final = Counts()


def observed(function: str) -> Callable[[Handler], Handler]:
    """Give a handler its correlation id, trace segment with annotations, and metrics line."""

    def decorate(handle: Handler) -> Handler:
        @logger.inject_lambda_context(correlation_id_path="execution", clear_state=True)
        @tracer.capture_lambda_handler(capture_response=False)
        @wraps(handle)
        def wrapped(event: Payload, context: LambdaContext) -> Payload:
            tracer.put_annotation("function", function)
            tracer.put_annotation("module", handle.__module__)
            logger.remove_keys(_TOLD_ELSEWHERE)
            logger.append_keys(**_facts(event))
            started, outcome = perf_counter(), "CompactionLambdaError"
            try:
                answer = handle(event, context)
                outcome = "CompactionLambdaSuccess"
                return answer
            finally:
                took, peak = round((perf_counter() - started) * 1000), peak_memory_mb()
                logger.info("Call ended", extra={"ms": took, "peak_memory_mb": peak})
                given = int(context.memory_limit_in_mb)
                metrics.count("PeakMemoryPercent", round(100 * peak / given))
                metrics.count("CompactionLambdaExecutionTime", took)
                metrics.count(outcome)
                metrics.flush()

        return cast("Handler", wrapped)

    return decorate


@contextmanager
def failing_as(message: str, metric: str) -> Iterator[None]:
    """Log `message` and count `metric` for a named error of the block, which goes up."""
    try:
        yield
    except CompactionError as error:
        logger.exception(message, extra={"error": type(error).__name__})
        metrics.count(metric)
        raise


@contextmanager
def timed(metric: str) -> Iterator[None]:
    """Count the block's milliseconds as `metric`, however it ends."""
    started = perf_counter()
    try:
        yield
    finally:
        metrics.count(metric, round((perf_counter() - started) * 1000))


def _facts(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what every line of this call should carry."""
    return {name: event[name] for name in ("collection", "round", "attempt") if name in event}
