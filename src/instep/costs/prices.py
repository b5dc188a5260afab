"""What AWS asks for what the pipeline uses: us-east-1, arm64, list prices without free tiers.

As publicly listed on AS_OF; another region or a later day is a change of this file alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

AS_OF: Final = "November 2025"
MONTH_SECONDS: Final = 2_628_000  # a twelfth of a year

# What cannot be counted on the local cloud, and is therefore assumed.
STREAM_SHARDS: Final = 4  # of a new on-demand table: each batches for itself
LOGGED_EVENT_BYTES: Final = 380  # an event of a workflow's log without execution data
LOG_OVERHEAD_BYTES: Final = 26  # CloudWatch Logs' own, a log event
EXPRESS_MB: Final = 64  # payloads here are references: the smallest chunk holds an execution


@dataclass(frozen=True)
class Price:
    """`usd` for every `per` of a thing."""

    usd: float
    per: float

    def of(self, amount: float) -> float:
        """Return what so much of it costs, in dollars."""
        return amount * self.usd / self.per


PRICES: Final[Mapping[str, Price]] = {
    "transitions": Price(0.025, 1_000),  # Step Functions Standard: states entered, retries too
    "express_requests": Price(1.00, 1_000_000),
    "express_gb_s": Price(0.00001667, 1),
    "lambda_requests": Price(0.20, 1_000_000),
    "lambda_gb_s": Price(0.0000133334, 1),
    "s3_put": Price(0.005, 1_000),  # PUT, COPY, POST, LIST
    "s3_get": Price(0.0004, 1_000),  # GET, HEAD and all others but DELETE, which is free
    "dynamodb_write": Price(0.625, 1_000_000),  # write request units, on demand
    "dynamodb_read": Price(0.125, 1_000_000),
    "sqs": Price(0.40, 1_000_000),  # requests of up to 64 KB
    "events": Price(1.00, 1_000_000),  # custom events of up to 64 KB
    "schedules": Price(1.00, 1_000_000),  # EventBridge Scheduler's invocations
    "log_gb": Price(0.50, 1),
    "traces": Price(5.00, 1_000_000),  # X-Ray: recorded; all are, up to one a second
    "metrics": Price(0.30, 1),  # CloudWatch: a custom metric, by its name and dimensions
    "s3_gb": Price(0.023, 1),  # stored for a month
}


def bill(used: Mapping[str, float]) -> dict[str, float]:
    """Return what was used, in dollars by item; KeyError for an item without a price."""
    return {item: PRICES[item].of(amount) for item, amount in used.items()}


def a_month(used: Mapping[str, float], seconds: float) -> dict[str, float]:
    """Return what a month uses that goes on like these seconds."""
    return {item: amount * MONTH_SECONDS / seconds for item, amount in used.items()}


def added(*parts: Mapping[str, float]) -> dict[str, float]:
    """Return the sum of usages, item by item."""
    items = dict.fromkeys(item for part in parts for item in part)
    return {item: sum(part.get(item, 0.0) for part in parts) for item in items}


def lambda_gb_seconds(milliseconds: float, memory_mb: int) -> float:
    """Return what a call is billed for: milliseconds rounded up, times the memory it was given."""
    return ceil(milliseconds) / 1_000 * memory_mb / 1_024


def express_gb_seconds(seconds: float, memory_mb: int = EXPRESS_MB) -> float:
    """Return what an Express execution is billed for: tenths of a second, memory in 64 MB."""
    return ceil(round(seconds * 10, 6)) / 10 * ceil(memory_mb / 64) * 64 / 1_024


def chunks(size: int) -> int:
    """Return how many requests or events of 64 KB a payload of `size` bytes is billed as."""
    return max(1, ceil(size / (64 << 10)))


def stream_calls(calls: float, seconds: float, window: float) -> float:
    """Return how often a table's stream calls its function on AWS, which waits `window` seconds to
    fill a batch; the local cloud does not, and called it `calls` times in these seconds.
    """
    return min(calls, STREAM_SHARDS * seconds / window) if window else calls
