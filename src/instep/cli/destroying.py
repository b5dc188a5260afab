"""A stack taken down: what goes with it and what stays, told from its own template before anything
is touched; and the taking down, which may be repeated wherever it ended.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from instep.batched import batched
from instep.cli.output import Refused
from instep.local.deploy import NotDeployed, described
from instep.local.target import Target
from instep.wording import number_text

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

# Types that hold what no deployment brings back, with the words a person has for them.
DATA: Final = {
    "AWS::S3::Bucket": "bucket",
    "AWS::DynamoDB::Table": "table",
    "AWS::SQS::Queue": "queue",
}
_KEPT: Final = {"Retain", "RetainExceptOnCreate"}
_MACHINE: Final = "AWS::StepFunctions::StateMachine"
_UNFINISHED: Final = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"}
_KEYS_PER_CALL: Final = 1000
_PATIENCE: Final = 2 * 3600  # seconds; network interfaces of a VPC alone may take half an hour


@dataclass(frozen=True)
class Resource:
    """Something a stack made."""

    kind: str
    """CloudFormation's name of its type."""
    name: str
    """What it is called in the account: a bucket's or table's name, a queue's URL."""
    stays: bool
    """Whether it outlives its stack."""

    @property
    def is_data(self) -> bool:
        """Whether it holds what a new deployment would not bring back."""
        return self.kind in DATA


@dataclass(frozen=True)
class Plan:
    """What becomes of a stack's resources."""

    stack: str
    id: str
    """The stack's ARN, by which it is known when it is gone."""
    resources: Sequence[Resource]

    @property
    def staying(self) -> list[Resource]:
        """What outlives the stack, in the template's order."""
        return [one for one in self.resources if one.stays]

    @property
    def lost(self) -> list[Resource]:
        """Data that goes with it."""
        return [one for one in self.resources if one.is_data and not one.stays]

    @property
    def others(self) -> Mapping[str, int]:
        """How many there are by type of all else that goes: a deployment makes them anew."""
        going = [one.kind for one in self.resources if not one.stays and not one.is_data]
        return dict(Counter(going).most_common())


def plan_of(target: Target, stack: str) -> Plan:
    """Read what a stack holds and what its template says of each; NotDeployed: there is none."""
    found = described(target, stack)
    if found is None:
        raise NotDeployed(f"no stack {stack} there: nothing is left to destroy")
    cloudformation: CloudFormationClient = target.client("cloudformation")
    unfinished = found["StackStatus"] in _UNFINISHED
    body: Any = cloudformation.get_template(StackName=stack, TemplateStage="Processed")
    template = body["TemplateBody"]["Resources"]
    listed = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    resources = [
        Resource(
            one["ResourceType"],
            one.get("PhysicalResourceId", ""),
            _stays(template.get(one["LogicalResourceId"], {}), unfinished=unfinished),
        )
        for page in listed
        for one in page["StackResourceSummaries"]
        if one["ResourceStatus"] != "DELETE_COMPLETE"
    ]
    return Plan(stack, found["StackId"], resources)


def destroy(target: Target, plan: Plan, report: Callable[[str], None]) -> None:
    """Take the stack down as planned, and wait until it is gone.

    Refused names what CloudFormation could not delete; called again, it goes on from there.
    """
    cloudformation: CloudFormationClient = target.client("cloudformation")
    report("ending its executions")
    _end_executions(target.client("stepfunctions"), plan)
    for one in plan.lost:
        if one.kind == "AWS::S3::Bucket":
            report(f"emptying {one.name}")
            _empty(target.client("s3"), one.name)
    cloudformation.update_termination_protection(
        StackName=plan.stack, EnableTerminationProtection=False
    )
    report(f"deleting {number_text(len(plan.resources) - len(plan.staying), 'resource')}")
    cloudformation.delete_stack(StackName=plan.stack)
    _wait(cloudformation, plan, seconds=1 if target.local else 10)


def _stays(resource: Mapping[str, Any], *, unfinished: bool) -> bool:
    """Judge as CloudFormation does; of a stack that was never whole it keeps less."""
    policy = resource.get("DeletionPolicy")
    return policy in _KEPT and not (unfinished and policy == "RetainExceptOnCreate")


def _end_executions(stepfunctions: "SFNClient", plan: Plan) -> None:
    """End what runs: a machine is only gone when nothing of it runs, which may take hours.

    Nothing is lost by it: what was taken is in the inbox again a minute later.
    """
    for one in plan.resources:
        if one.kind == _MACHINE and one.name:
            for arn in _running(stepfunctions, one.name):
                stepfunctions.stop_execution(
                    executionArn=arn, cause="instep destroy: the stack is taken down"
                )


def _running(stepfunctions: "SFNClient", machine: str) -> Iterator[str]:
    if stepfunctions.describe_state_machine(stateMachineArn=machine)["type"] == "EXPRESS":
        return  # minutes at most, and not to be listed
    pages = stepfunctions.get_paginator("list_executions").paginate(
        stateMachineArn=machine, statusFilter="RUNNING"
    )
    for page in pages:
        yield from (one["executionArn"] for one in page["executions"])


def _empty(s3: "S3Client", bucket: str) -> None:
    """Delete every version of every object: CloudFormation deletes no bucket that holds one."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    for page in pages:
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        for few in batched(found, _KEYS_PER_CALL):
            objects: Any = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in few]
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            for error in answer.get("Errors", []):
                raise Refused(f"{bucket}: {error.get('Key')} stays, {error.get('Message')}")


def _wait(cloudformation: "CloudFormationClient", plan: Plan, seconds: int) -> None:
    from botocore.exceptions import WaiterError

    waiter = cloudformation.get_waiter("stack_delete_complete")
    try:
        waiter.wait(
            StackName=plan.id,
            WaiterConfig={"Delay": seconds, "MaxAttempts": _PATIENCE // seconds},
        )
    except WaiterError as error:
        events = cloudformation.describe_stack_events(StackName=plan.id)["StackEvents"]
        why = [
            f"{one.get('LogicalResourceId')}: {one.get('ResourceStatusReason')}"
            for one in events
            if one.get("ResourceStatus") == "DELETE_FAILED"
        ]
        raise Refused(
            f"{plan.stack} is not gone: {'; '.join(why) or error}. Run `instep destroy` again: it "
            f"goes on from there"
        ) from error
