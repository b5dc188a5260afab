"""The alarms, as a table: what each watches, from which value on, and what that means.

An alarm's name is that of its section in docs/runbook.md, which its description points to. Where
nothing happened there is no data, and that is well: a missing value never alarms. So the sums and
maxima below need one of their metrics to have a value, not all.

The calls of AcquireLock and UploadSnapshot are in no sum of errors: they raise what the workflow
waits for (LockBusy, SnapshotConflict), and what is broken in them ends the run red.
"""

from dataclasses import dataclass
from math import ceil

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from instep.cdk.config import Config
from instep.cdk.signals import FIVE_MINUTES, MINUTE, Signals

RUNBOOK = "docs/runbook.md"

RAISE_NOTHING_ORDINARY = (
    "ingest",
    "parse_batch",
    "apply_updates",
    "release_lock",
    "settle_batch",
    "sync_table",
)
WORK_LONGEST = ("parse_batch", "apply_updates", "fold_snapshot", "settle_batch")
"""Of a run at work, one of these is."""
NEAR = 0.8
LONGEST_PERIOD_MINUTES = 720  # two of them are the day that an alarm may look back


@dataclass(frozen=True)
class Alarm:
    """Speaks when `metric` was at least `threshold` for so many `periods` of it in a row.

    `judges_rollout`: a new version that sets it off goes back.
    """

    name: str
    means: str
    metric: cloudwatch.IMetric
    threshold: float
    periods: int = 1
    judges_rollout: bool = False

    @property
    def description(self) -> str:
        """What a person reads in the mail."""
        return f"{self.means} What to do: {RUNBOOK}#{self.name}"


def alarms(signals: Signals, config: Config) -> list[Alarm]:
    """Return every alarm of a deployment, the most urgent first."""
    return [
        *_set_aside(signals),
        *_waiting(signals, config),
        *_runs(signals),
        *_functions(signals),
        *_near_a_limit(signals),
    ]


def full_name(stack: str, name: str) -> str:
    """Return an alarm's name in the account, where other stacks have theirs."""
    return f"{stack}-{name}"


def _set_aside(signals: Signals) -> list[Alarm]:
    gone = {
        "delivered": signals.of_stream("OnFailureDestinationDeliveredEventCount"),
        "dropped": signals.of_stream("DroppedEventCount"),
    }
    given_up = cloudwatch.MathExpression(
        expression="SUM([delivered, dropped])", using_metrics=gone, label="records given up"
    )
    return [
        Alarm(
            "dlq-holds-messages",
            "Records that cannot be applied lie in the DLQ, each with its reason.",
            signals.visible(signals.queues.dlq),
            1,
        ),
        Alarm(
            "records-given-up",
            "Lambda gave up on records of the stream: they lie in the failures bucket.",
            given_up,
            1,
        ),
    ]


def _waiting(signals: Signals, config: Config) -> list[Alarm]:
    start = _minutes_between_starts(config)
    return [
        Alarm(
            "nothing-runs",
            "Messages wait, and since two starts of the schedule no function has worked on them.",
            _waits_for_nobody(signals, Duration.minutes(start)),
            1,
            periods=2,
        ),
        Alarm(
            "head-behind",
            "A change was still not in its snapshot a quarter of an hour after it was made.",
            signals.own("HeadBehindSeconds", "parse_batch", statistic="Maximum"),
            15 * 60,
            periods=2,
            judges_rollout=True,
        ),
        Alarm(
            "inbox-oldest-message",
            "A message has waited in the inbox far longer than a run needs to come and take it.",
            signals.queues.inbox.metric_approximate_age_of_oldest_message(
                statistic="Maximum", period=MINUTE
            ),
            60 * max(15, 3 * start),
            periods=3,
        ),
        Alarm(
            "stream-behind",
            "Ingest reads the table's stream later than it is written; after a day it is lost.",
            signals.of_function("IteratorAge", "ingest", statistic="Maximum", period=MINUTE),
            5 * 60 * 1000,
            periods=5,
        ),
    ]


def _runs(signals: Signals) -> list[Alarm]:
    runner = signals.runner
    return [
        Alarm(
            "executions-failed",
            "A run ended red: a collection could not be brought in step. Its messages are kept.",
            runner.metric_failed(period=FIVE_MINUTES),
            1,
            judges_rollout=True,
        ),
        Alarm(
            "executions-timed-out",
            "A run took longer than any run should, and was ended.",
            runner.metric_timed_out(period=FIVE_MINUTES),
            1,
            judges_rollout=True,
        ),
        Alarm(
            "executions-aborted",
            "Somebody, or Step Functions itself, ended a run before its time.",
            runner.metric_aborted(period=FIVE_MINUTES),
            1,
        ),
    ]


def _functions(signals: Signals) -> list[Alarm]:
    hour = Duration.hours(1)
    return [
        Alarm(
            "function-errors",
            "Calls of functions fail, more of them than a retry makes good.",
            signals.added("Errors", RAISE_NOTHING_ORDINARY),
            3,
            judges_rollout=True,
        ),
        Alarm(
            "function-throttles",
            "Lambda refuses calls: the account's concurrency is used up.",
            signals.added("Throttles", list(signals.services)),
            1,
            periods=2,
        ),
        Alarm(
            "fold-fails",
            "A collection that is due for it is not folded: readers replay more at every open.",
            signals.of_function("Errors", "fold_snapshot", period=hour),
            3,
        ),
        Alarm(
            "fold-too-large",
            "A fold is due that its function is too small for: it is not begun.",
            signals.own("CompactionFoldTooLarge", "upload_snapshot"),
            1,
        ),
        Alarm(
            "sweep-fails",
            "Old versions are not swept: storage grows, and what was deleted stays.",
            signals.of_function("Errors", "sweep_versions", period=hour),
            1,
        ),
    ]


def _near_a_limit(signals: Signals) -> list[Alarm]:
    longest = signals.functions.apply_updates.timeout
    assert longest is not None  # noqa: S101 - functions.py gives it one
    return [
        Alarm(
            "apply-updates-slow",
            "A call of ApplyUpdates needed most of the time that Lambda gives it.",
            signals.of_function("Duration", "apply_updates", statistic="Maximum"),
            NEAR * longest.to_milliseconds(),
        ),
        Alarm(
            "memory-nearly-used",
            "A function needed most of the memory it is given.",
            signals.largest("PeakMemoryPercent", list(signals.services)),
            100 * NEAR,
        ),
    ]


def _waits_for_nobody(signals: Signals, period: Duration) -> cloudwatch.MathExpression:
    """How many messages wait, 0 while a function works that takes them further.

    A function at rest has no concurrency, not one of 0: so a 0 is put beside them.
    """
    busy = {
        service: signals.of_function(
            "ConcurrentExecutions", service, statistic="Maximum", period=period
        )
        for service in WORK_LONGEST
    }
    return cloudwatch.MathExpression(
        expression=f"IF(MAX([{', '.join(busy)}, waiting * 0]) > 0, 0, waiting)",
        using_metrics={"waiting": signals.visible(signals.queues.inbox, period), **busy},
        label="messages that wait while nothing runs",
        period=period,
    )


def _minutes_between_starts(config: Config) -> int:
    """Return the longest that messages wait for somebody to look, while all is well."""
    longest = max(config.schedule_minutes, ceil(config.round_seconds / 60))
    return min(longest, LONGEST_PERIOD_MINUTES)
