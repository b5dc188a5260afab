"""One screen, read in ten seconds: in step? how far behind? what failed? what does it cost?

A row a question, with the numbers before the curves. Costs are an estimate from counted metrics of
what they mostly are: Lambda's time, states entered, requests to queues; `Dashboard` says at which
prices.
"""

from collections.abc import Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from instep.cdk.signals import Signals
from instep.costs.counted import IDLE_START, ROUND
from instep.costs.prices import PRICES

HOUR, DAY = Duration.hours(1), Duration.days(1)
WHOLE, HALF, THIRD, HEIGHT = 24, 12, 8, 6

GB_SECOND, CALL, TRANSITION, EXPRESS_START, SQS_REQUEST = (
    PRICES[item].of(1)
    for item in ("lambda_gb_s", "lambda_requests", "transitions", "express_requests", "sqs")
)


class Dashboard(Construct):
    """The dashboard of a stack, under the stack's name."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        signals: Signals,
        alarms: Sequence[cloudwatch.IAlarm],
    ) -> None:
        super().__init__(scope, id_)
        self._signals = signals
        self.dashboard = cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=signals.stack,
            default_interval=Duration.hours(12),
            period_override=cloudwatch.PeriodOverride.INHERIT,
            widgets=[
                self._in_step(alarms),
                self._behind(),
                self._work(),
                self._failed(),
                self._kept(),
                self._cost(),
            ],
        )

    def _in_step(self, alarms: Sequence[cloudwatch.IAlarm]) -> list[cloudwatch.IWidget]:
        return [
            cloudwatch.AlarmStatusWidget(
                title="In step? Each alarm has its page in docs/runbook.md",
                alarms=list(alarms),
                width=WHOLE,
                height=4,
            )
        ]

    def _behind(self) -> list[cloudwatch.IWidget]:
        signals, names = self._signals, self._signals.collections
        lag = [
            signals.own(
                f"Snapshot{name}",
                "upload_snapshot",
                statistic="Maximum",
                collection=each,
                label=f"{each} {name[3:-2]}",
            )
            for each in names
            for name in ("LagP50Ms", "LagP95Ms", "LagMaxMs")
        ]
        behind = [
            signals.own("HeadBehindSeconds", "parse_batch", statistic="Maximum", collection=each)
            for each in names
        ]
        return [
            _graph("How far behind? Oldest change not yet applied, by collection (s)", behind),
            _graph("From a change to its snapshot (ms)", lag),
            _graph(
                "Waiting: messages, and the age of the oldest (s); the stream's (ms)",
                [
                    signals.visible(signals.queues.inbox),
                    signals.queues.inbox.metric_approximate_age_of_oldest_message(
                        statistic="Maximum", period=Duration.minutes(1)
                    ),
                    signals.of_function("IteratorAge", "ingest", statistic="Maximum"),
                ],
            ),
        ]

    def _work(self) -> list[cloudwatch.IWidget]:
        signals = self._signals
        return [
            _graph(
                "Throughput: records of the stream, and updates applied",
                [
                    signals.own("StreamRecordsReceived", "ingest"),
                    signals.own("StreamRecordsProcessed", "ingest"),
                    signals.own("CompactionCollectionUpdatesProcessed", "apply_updates"),
                ],
            ),
            _graph(
                "Starts and rounds",
                [
                    signals.runner.metric_started(label="starts"),
                    signals.round.metric_started(label="rounds"),
                ],
            ),
            _graph(
                "Leases: busy, waited for and held (ms)",
                [
                    signals.own("CompactionLockAcquisitionFailed", "acquire_lock"),
                    signals.own("CompactionLockWaitTime", "acquire_lock"),
                    signals.own("CompactionLockDuration", "release_lock"),
                ],
            ),
        ]

    def _failed(self) -> list[cloudwatch.IWidget]:
        signals, runner = self._signals, self._signals.runner
        return [
            _graph(
                "What failed? The DLQ, and records given up",
                [
                    signals.visible(signals.queues.dlq),
                    signals.own("CompactionFailedMessages", "settle_batch"),
                    signals.of_stream("OnFailureDestinationDeliveredEventCount"),
                    signals.of_stream("DroppedEventCount"),
                ],
            ),
            _graph(
                "Runs that ended badly",
                [runner.metric_failed(), runner.metric_timed_out(), runner.metric_aborted()],
            ),
            _graph("Errors", [signals.of_function("Errors", each) for each in signals.services]),
        ]

    def _kept(self) -> list[cloudwatch.IWidget]:
        signals = self._signals
        memory = [
            signals.own("PeakMemoryPercent", each, statistic="Maximum", label=each)
            for each in signals.services
        ]
        return [
            _graph(
                "Versions: published, folded, swept",
                [
                    signals.own("CompactionVersionsPublished", "upload_snapshot", period=HOUR),
                    signals.own("CompactionFolded", "fold_snapshot", period=HOUR),
                    signals.own("CompactionVersionsSwept", "sweep_versions", period=HOUR),
                ],
            ),
            _graph(
                "Bytes: published, swept",
                [
                    signals.own("CompactionBytesPublished", "upload_snapshot", period=HOUR),
                    signals.own("CompactionBytesPublished", "fold_snapshot", period=HOUR),
                    signals.own("CompactionBytesSwept", "sweep_versions", period=HOUR),
                ],
            ),
            _graph("Memory used (%)", memory),
        ]

    def _cost(self) -> list[cloudwatch.IWidget]:
        parts = [self._lambda_cost(), self._states_cost(), self._queue_cost()]
        title = f"What does it cost? About, a day, in dollars ({Stack.of(self).region})"
        numbers = cloudwatch.SingleValueWidget(
            title="Dollars on the last whole day, about", metrics=parts, width=THIRD, height=HEIGHT
        )
        return [
            numbers,
            cloudwatch.GraphWidget(
                title=title, left=parts, width=WHOLE - THIRD, height=HEIGHT, stacked=True
            ),
        ]

    def _lambda_cost(self) -> cloudwatch.MathExpression:
        signals, terms, used = self._signals, [], {}
        for service in signals.services:
            memory = _memory_mb(signals.services[service])
            used[f"ms_{service}"] = signals.of_function("Duration", service, period=DAY)
            used[f"calls_{service}"] = signals.of_function("Invocations", service, period=DAY)
            terms += [
                f"ms_{service} * {_plain(GB_SECOND * memory / 1024 / 1000)}",
                f"calls_{service} * {_plain(CALL)}",
            ]
        return _dollars("Lambda", f"SUM([{', '.join(terms)}])", used)

    def _states_cost(self) -> cloudwatch.MathExpression:
        a_start = IDLE_START["transitions"] * TRANSITION
        a_round = ROUND["transitions"] * TRANSITION + EXPRESS_START
        return _dollars(
            "Step Functions",
            f"SUM([starts * {_plain(a_start)}, rounds * {_plain(a_round)}])",
            {
                "starts": self._signals.runner.metric_started(period=DAY),
                "rounds": self._signals.round.metric_started(period=DAY),
            },
        )

    def _queue_cost(self) -> cloudwatch.MathExpression:
        inbox = self._signals.queues.inbox
        used = {
            "sent": inbox.metric_number_of_messages_sent(period=DAY),
            "received": inbox.metric_number_of_messages_received(period=DAY),
            "deleted": inbox.metric_number_of_messages_deleted(period=DAY),
            "empty": inbox.metric_number_of_empty_receives(period=DAY),
        }
        return _dollars("SQS", f"SUM([{', '.join(used)}]) * {_plain(SQS_REQUEST)}", used)


def _plain(usd: float) -> str:
    """Return a price as metric math knows numbers: without an exponent."""
    return f"{usd:.15f}".rstrip("0")


def _memory_mb(function: lambda_.Function) -> int:
    made = function.node.default_child
    assert isinstance(made, lambda_.CfnFunction)  # noqa: S101 - every L2 function is made of one
    assert made.memory_size is not None  # noqa: S101 - functions.py gives each its own
    return int(made.memory_size)


def _graph(title: str, metrics: Sequence[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=THIRD, height=HEIGHT)


def _dollars(
    label: str, expression: str, used: dict[str, cloudwatch.Metric]
) -> cloudwatch.MathExpression:
    return cloudwatch.MathExpression(
        expression=expression, using_metrics=dict(used), label=label, period=DAY
    )
