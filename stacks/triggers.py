"""What starts the workflow by itself: the backstop schedule, and two events on the default bus.

A start carries nothing (input {}): it drains the inbox. So a lost start needs no DLQ, the next one
does its work; and a start too many ends at once.
"""

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as scheduler_targets
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

SOURCE = "instep"
DRAIN: dict[str, object] = {}


class Triggers(Construct):
    """Each with a role that may start this machine and nothing else."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        machine: sfn.StateMachine,
        bus: events.IEventBus,
        every: Duration,
    ) -> None:
        super().__init__(scope, id_)
        scheduler.Schedule(
            self,
            "Backstop",
            description="Whatever start was lost: the inbox is drained at least this often.",
            schedule=scheduler.ScheduleExpression.rate(every),
            target=scheduler_targets.StepFunctionsStartExecution(
                machine,
                input=scheduler.ScheduleTargetInput.from_object(DRAIN),
                max_event_age=every,  # then the next one does as well
            ),
        )
        self._on("Compaction Requested", "Anyone's wish for a run.", machine, bus)
        self._on("Stream Batch Queued", "Ingest's own, once a wake flag.", machine, bus)

    def _on(
        self, detail_type: str, why: str, machine: sfn.StateMachine, bus: events.IEventBus
    ) -> None:
        events.Rule(
            self,
            detail_type.replace(" ", ""),
            description=why,
            event_bus=bus,
            event_pattern=events.EventPattern(source=[SOURCE], detail_type=[detail_type]),
            targets=[
                targets.SfnStateMachine(machine, input=events.RuleTargetInput.from_object(DRAIN))
            ],
        )
