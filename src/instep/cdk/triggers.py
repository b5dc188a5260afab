"""What starts the workflow by itself: the backstop schedule, two events on the default bus that
name this stack, and the end of an execution that ended red.

A start carries nothing (input {}): it drains the inbox. So a lost start needs no DLQ, the next one
does its work; and a start too many ends at once. Who follows a dead execution is told which.
"""

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as scheduler_targets
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from instep.cdk.trust import service

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
        self._starter = iam.Role(self, "Starter", assumed_by=service(self, "events"))
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
        self._on("Stream Batch Queued", "Work is queued and nobody drains.", machine, bus)
        self._follow(machine)

    def _on(
        self, detail_type: str, why: str, machine: sfn.StateMachine, bus: events.IEventBus
    ) -> None:
        events.Rule(
            self,
            detail_type.replace(" ", ""),
            description=why,
            event_bus=bus,
            event_pattern=events.EventPattern(
                source=[SOURCE],
                detail_type=[detail_type],
                detail={"stack": [Stack.of(self).stack_name]},  # others share the bus
            ),
            targets=[
                targets.SfnStateMachine(
                    machine, input=events.RuleTargetInput.from_object(DRAIN), role=self._starter
                )
            ],
        )

    def _follow(self, machine: sfn.StateMachine) -> None:
        """Look after what an execution left behind; who does is not looked after, so that nothing
        that dies at its start can start itself for ever.
        """
        events.Rule(
            self,
            "RunEnded",
            description="An execution ended red: free what it held, and let another drain on.",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={
                    "stateMachineArn": [machine.state_machine_arn],
                    "status": ["FAILED", "TIMED_OUT", "ABORTED"],
                    "input": [{"anything-but": {"prefix": '{"Ended"'}}],
                },
            ),
            targets=[
                targets.SfnStateMachine(
                    machine,
                    role=self._starter,
                    input=events.RuleTargetInput.from_object(
                        {"Ended": events.EventField.from_path("$.detail.name")}
                    ),
                )
            ],
        )
