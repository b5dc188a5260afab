"""A synthetic change every few minutes, so that a deploy has something to be judged by at night.

It starts the newest version by name, whatever share the alias gives it: what a deploy brings is
tried from its first minute on. On its way are all functions of a batch but the publish, for nothing
changes: parsed and parked, leased, held against the table, released and settled. The inbox is not
drained, so a probe that breaks takes nobody's messages with it.
"""

import json

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

PROBE: dict[str, object] = {"Probe": {}}


class Probe(Construct):
    """The schedule, and a role that may start this machine and nothing else."""

    def __init__(
        self, scope: Construct, id_: str, *, machine: sfn.StateMachine, version: str, minutes: int
    ) -> None:
        super().__init__(scope, id_)
        ours = {"StringEquals": {"aws:SourceAccount": Stack.of(self).account}}
        service = iam.ServicePrincipal("scheduler.amazonaws.com").with_conditions(ours)
        starter = iam.Role(self, "Starter", assumed_by=service)
        starter.add_to_policy(
            iam.PolicyStatement(
                # Versions too are authorized by the machine's own ARN.
                actions=["states:StartExecution"],
                resources=[machine.state_machine_arn],
            )
        )
        self.schedule = scheduler.CfnSchedule(
            self,
            "Schedule",
            description="Goes the whole way with nothing to change: a deploy is judged by it.",
            schedule_expression=f"rate({minutes} {'minute' if minutes == 1 else 'minutes'})",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=version, role_arn=starter.role_arn, input=json.dumps(PROBE)
            ),
        )
