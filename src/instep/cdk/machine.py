"""One state machine with a role and a log group of its own."""

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from instep.cdk.config import Config
from instep.cdk.function import WorkflowFunction, retention
from instep.cdk.nag import accept
from instep.cdk.trust import service


def state_machine(
    scope: Construct,
    first: sfn.IChainable,
    *,
    name: str,
    config: Config,
    kind: sfn.StateMachineType,
    timeout: Duration,
    level: sfn.LogLevel,
    comment: str,
    calls: Sequence[WorkflowFunction],
    allowed: Sequence[iam.PolicyStatement] = (),
) -> sfn.StateMachine:
    """Return the machine that starts at `first`; its role may invoke `calls`, do `allowed`, and be
    observed.
    """
    group = logs.LogGroup(
        scope,
        "Log",
        # The prefix keeps the account's log resource policy from growing with each machine.
        log_group_name=f"/aws/vendedlogs/states/{name}",
        retention=retention(config),
        removal_policy=RemovalPolicy.DESTROY,
    )
    return sfn.StateMachine(
        scope,
        "Machine",
        definition_body=sfn.DefinitionBody.from_chainable(first),
        state_machine_type=kind,
        timeout=timeout,
        role=_role(scope, calls, allowed).without_policy_updates(),
        tracing_enabled=True,
        logs=sfn.LogOptions(destination=group, level=level, include_execution_data=False),
        comment=comment,
    )


def _role(
    scope: Construct, calls: Sequence[WorkflowFunction], allowed: Sequence[iam.PolicyStatement]
) -> iam.Role:
    """Invoke exactly what is ours, in whichever version: a run in flight goes on with those it
    began with, under the role of the newest. The unversioned function it may not.
    """
    invoke = iam.PolicyStatement(
        actions=["lambda:InvokeFunction"],
        resources=[function.callable_arn for function in calls],
    )
    observed = iam.PolicyStatement(
        actions=[
            "logs:CreateLogDelivery",
            "logs:GetLogDelivery",
            "logs:UpdateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:DescribeResourcePolicies",
            "logs:DescribeLogGroups",
            "xray:PutTraceSegments",
            "xray:PutTelemetryRecords",
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
        ],
        resources=["*"],
    )
    role = iam.Role(
        scope,
        "Role",
        assumed_by=service(scope, "states"),
        inline_policies={
            "Invoke": iam.PolicyDocument(statements=[invoke, *allowed]),
            "Observe": iam.PolicyDocument(statements=[observed]),
        },
    )
    accept(
        role,
        "AwsSolutions-IAM5[Resource::*]",
        "Log delivery and X-Ray take no resource (service authorization reference).",
    )
    for function in calls:
        function.accept_versions(role)
    return role
