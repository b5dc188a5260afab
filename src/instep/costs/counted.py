"""What one call, one round and one execution use: counted on the local cloud, November 2025.

`instep bench cost --rate 1 --rate 10 -c roundSeconds=2` prints what each function's calls used on
average, over edits of labels and merchants with two collections (10,000 words and 2,000 lines):
requests by a proxy between functions and cloud, states from the histories, bytes of logs as
CloudWatch Logs counts them, less the 147 of two keys that a line no longer has since.
What follows the number of changes is the slope between the two rates.

Milliseconds are less sure than all the rest, for AWS's are others: those of the tenth of warm calls
that was fastest where that came to less than the bill of docs/adr/0013, which an idle machine
ran up, and else so that together they come to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from instep.costs.prices import LOGGED_EVENT_BYTES, lambda_gb_seconds

_GB: Final = 1_000_000_000
_CORE_MB: Final = 1_769
_SMALL_MB: Final = 512


@dataclass(frozen=True)
class Call:
    """One warm call of a function: milliseconds, MB it is given, bytes it logs, and requests."""

    ms: float
    mb: int
    log_bytes: int
    requests: Mapping[str, float] = field(default_factory=dict)

    def used(self, more_ms: float = 0.0) -> dict[str, float]:
        """Return what a call uses that takes so much longer, by item of `prices`."""
        return {
            "lambda_requests": 1,
            "lambda_gb_s": lambda_gb_seconds(self.ms + more_ms, self.mb),
            "log_gb": self.log_bytes / _GB,
            **self.requests,
        }


INGEST: Final = Call(25, _SMALL_MB, 2_080, {"sqs": 1, "dynamodb_write": 1})
FIRST_INGEST: Final = Call(46, _SMALL_MB, 2_080, {"sqs": 1, "dynamodb_write": 2, "events": 1})
"""Of a change that comes when nobody drains: it announces a start."""
PARSE: Final = Call(50, _CORE_MB, 2_580, {"dynamodb_write": 1, "s3_put": 1})
"""Beside its receives, see `receives`."""
EMPTY_LOOK: Final = Call(1_041, _CORE_MB, 1_150, {"dynamodb_write": 3, "sqs": 2})
"""ParseBatch where there is nothing: it waits a second for all the queue's servers to say so."""
PASTED: Final = Call(50, _CORE_MB, 2_580, {"s3_put": 1})
"""ParseBatch of a probe: it takes its input, and leaves the inbox alone."""
SETTLE: Final = Call(37, _SMALL_MB, 1_760, {"dynamodb_write": 1, "s3_get": 1})
"""Beside the deletes: one for ten messages."""
ACQUIRE: Final = Call(10, _SMALL_MB, 1_840, {"dynamodb_write": 1})
APPLY: Final = Call(267, _CORE_MB, 4_140, {"s3_get": 4, "s3_put": 2, "dynamodb_read": 0.7})
PUBLISH: Final = Call(25, _SMALL_MB, 2_510, {"dynamodb_read": 1, "s3_get": 1, "s3_put": 1})
RELEASE: Final = Call(7, _SMALL_MB, 1_820, {"dynamodb_write": 1})
FOLD: Final = Call(500, _CORE_MB, 1_980, {"s3_get": 58, "s3_put": 3, "dynamodb_read": 1})
FOLD_MS: Final = 0.05
"""Milliseconds more for each embedding, of a fold of rows (parts of it: docs/adr/0009)."""
A_COLLECTION: Final = (ACQUIRE, APPLY, PUBLISH, RELEASE)
A_FOLD: Final = (ACQUIRE, FOLD, RELEASE)
A_CHANGE: Final = Call(2.4, _CORE_MB, 0, {"dynamodb_read": 0.33})
"""What a change more costs ApplyUpdates in a collection; no call of its own."""

ROUND: Final = {
    "transitions": 3,
    "express_requests": 1,
    "express_gb_s": 0.14,
    "log_gb": 9 * LOGGED_EVENT_BYTES / _GB,
}
LATE_SECONDS: Final = 0.7
"""So much later than the distance asked for a round starts: a Wait counts whole seconds."""
IDLE_START: Final = {"transitions": 3, "log_gb": 9 * LOGGED_EVENT_BYTES / _GB}
ALONE: Final = {
    "transitions": 8,
    "express_requests": 2,
    "express_gb_s": 0.12,
    "log_gb": 25 * LOGGED_EVENT_BYTES / _GB,
}
"""An execution for one change: a round, and a look that finds nothing."""
PROBE: Final = {
    "transitions": 5,
    "express_requests": 1,
    "express_gb_s": 0.07,
    "log_gb": 16 * LOGGED_EVENT_BYTES / _GB,
}
"""An execution of given records that change nothing: the round is its only one."""
FOLDING: Final = {"transitions": 5, "log_gb": 19 * LOGGED_EVENT_BYTES / _GB}
"""States of the runner, for one collection."""

RECORDS_A_MESSAGE: Final = 50
MESSAGES_A_CALL: Final = 10
DRAINING_THREADS: Final = 4
VERSIONS_A_FOLD: Final = 48  # instep.snapshot.acts.folding says when one is due
LEAST_BASE_BYTES: Final = 1 << 20
BASE_BYTES: Final = 285
"""Of an embedding, in the base that a fold of changed metadata writes: rows, no vectors."""
VERSION_BYTES: Final = 10_000
CHANGE_BYTES: Final = 2_500
CHANGE_SHARES: Final = 0.72
"""What a version stores, and n scattered changes in it: CHANGE_BYTES * n ** CHANGE_SHARES, for they
share pages. Through 23 KB of ten changes and 226 KB of 500 (`instep bench growth`, 20,000 words).
"""


def receives(messages: float) -> float:
    """Return the requests that drain so many messages: the last of each thread is empty."""
    more = DRAINING_THREADS if messages >= MESSAGES_A_CALL else 1
    return ceil(messages / MESSAGES_A_CALL) + more
