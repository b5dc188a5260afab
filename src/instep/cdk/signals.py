"""The metrics of one deployment, by what they tell: alarms and dashboard draw on the same ones.

AWS's own are asked of AWS's own constructs; those that our functions print are named here once
(docs/domain.md lists them), by function and stack.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn

from instep.cdk.function import NAMESPACE, WorkflowFunction
from instep.cdk.functions import Functions
from instep.cdk.ingest import Queues, StreamIngest

MINUTE, FIVE_MINUTES = Duration.minutes(1), Duration.minutes(5)


@dataclass(frozen=True)
class Signals:
    """What is watched: the parts of the stack of this name."""

    stack: str
    collections: Sequence[str]
    queues: Queues
    ingest: StreamIngest
    functions: Functions
    sweep: WorkflowFunction
    runner: sfn.StateMachine
    round: sfn.StateMachine

    @property
    def services(self) -> dict[str, lambda_.Function]:
        """Every function, by the name its metrics carry."""
        made = self.functions
        functions = {
            "ingest": made.ingest,
            "parse_batch": made.parse_batch,
            "acquire_lock": made.acquire_lock,
            "apply_updates": made.apply_updates,
            "upload_snapshot": made.upload_snapshot,
            "fold_snapshot": made.fold_snapshot,
            "release_lock": made.release_lock,
            "settle_batch": made.settle_batch,
            "sync_table": made.sync_table,
            "sweep_versions": self.sweep,
        }
        return {name: one.function for name, one in functions.items()}

    def own(
        self,
        name: str,
        service: str,
        *,
        statistic: str = "Sum",
        period: Duration = FIVE_MINUTES,
        collection: str | None = None,
        label: str | None = None,
    ) -> cloudwatch.Metric:
        """A metric that a function prints itself; of one collection, where it is told by those."""
        of_collection = {} if collection is None else {"collection": collection}
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map={"service": service, "stack": self.stack, **of_collection},
            statistic=statistic,
            period=period,
            label=label or collection or name,
        )

    def of_function(
        self, name: str, service: str, *, statistic: str = "Sum", period: Duration = FIVE_MINUTES
    ) -> cloudwatch.Metric:
        """A metric of AWS/Lambda."""
        function = self.services[service]
        return function.metric(name, statistic=statistic, period=period, label=service)

    def of_stream(self, name: str) -> cloudwatch.Metric:
        """Records that the event source mapping counts (`EventCount`, which it is asked for)."""
        return cloudwatch.Metric(
            namespace="AWS/Lambda",
            metric_name=name,
            dimensions_map={"EventSourceMappingUUID": self.ingest.mapping.attr_id},
            statistic="Sum",
            period=FIVE_MINUTES,
        )

    def visible(self, queue: sqs.Queue, period: Duration = MINUTE) -> cloudwatch.Metric:
        """The most messages that could be received."""
        return queue.metric_approximate_number_of_messages_visible(
            statistic="Maximum", period=period
        )

    def added(self, name: str, services: Sequence[str]) -> cloudwatch.MathExpression:
        """The sum of a metric of AWS/Lambda over functions; one that was not called adds none."""
        return _over("SUM", {one: self.of_function(name, one) for one in services}, name)

    def largest(self, name: str, services: Sequence[str]) -> cloudwatch.MathExpression:
        """The greatest value of a metric of our own over functions."""
        values = {one: self.own(name, one, statistic="Maximum", label=one) for one in services}
        return _over("MAX", values, name)


def _over(
    function: str, metrics: dict[str, cloudwatch.Metric], label: str
) -> cloudwatch.MathExpression:
    return cloudwatch.MathExpression(
        expression=f"{function}([{', '.join(metrics)}])",
        using_metrics=dict(metrics),
        label=label,
        period=FIVE_MINUTES,
    )
