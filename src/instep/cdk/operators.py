"""What an operator may do, as a policy to attach to anybody's role: every command of `instep` that
works on a deployed stack works with it, and what no command does it refuses.

To deploy and to destroy is not among it: who does that makes the rights (docs/operating.md).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict, Unpack

from aws_cdk import CfnElement, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from instep.cdk.config import Config
from instep.cdk.ingest import LAMBDA_PREFIX, Queues
from instep.cdk.keys import Keys
from instep.cdk.models import bedrock_arns
from instep.cdk.nag import accept, accept_objects
from instep.cdk.storage import HEADS, PACKS, TAGS, VERSIONS, Storage
from instep.domain import Domain
from instep.flow.lock_item import KEY

KEPT: Final = [VERSIONS, PACKS, TAGS]
SUCCESSORS: Final = "*/HEAD.*"  # of a collection built anew; HEAD itself nobody deletes
PREDECESSORS: Final = "*/snapshot/*"  # what `instep import` reads, where it lies in our own bucket

_ONE_MACHINE: Final = "The executions of this machine, whose names only a start knows."
_ONE_STACK: Final = "One stack by its name; what follows it is the id of its latest creation."
_ALL_ALARMS: Final = "Asked by a prefix of names, CloudWatch authorizes all alarms of the region."


class Operated(TypedDict):
    """What commands act on."""

    config: Config
    domain: Domain
    keys: Keys
    storage: Storage
    queues: Queues
    failures: s3.Bucket
    bus: events.IEventBus
    machine: sfn.StateMachine


class Operators(Construct):
    """One managed policy: `policy`."""

    def __init__(self, scope: Construct, id_: str, **on: Unpack[Operated]) -> None:
        super().__init__(scope, id_)
        self._keys = on["keys"]
        self.policy = iam.ManagedPolicy(
            self, "Policy", description="Instep: operate this stack with its command line"
        )
        self._allow_to_look(on["machine"])
        self._allow_snapshots(on["storage"].bucket)
        self._allow_tables(on["storage"], on["domain"])
        self._allow_letters(on["queues"], on["failures"])
        self._allow(["events:PutEvents"], [on["bus"].event_bus_arn])
        models = bedrock_arns(self, on["domain"], on["config"])
        if models:  # a question in words is embedded where it is asked
            self._allow(["bedrock:InvokeModel"], models)

    def _allow_to_look(self, machine: sfn.StateMachine) -> None:
        """Find the stack, start its machine and follow what was started, hear its alarms."""
        stack = Stack.of(self)
        of_stack = f"stack/{stack.stack_name}/*"
        self._allow(["cloudformation:DescribeStacks"], [self._arn("cloudformation", of_stack)])
        self._accept(self._arn_in_nag("cloudformation", of_stack), _ONE_STACK)
        # Its alias, too, is authorized by the machine's own ARN.
        starts = ["states:StartExecution", "states:ListExecutions"]
        self._allow(starts, [machine.state_machine_arn])
        follows = [
            "states:DescribeExecution",
            "states:DescribeStateMachineForExecution",
            "states:GetExecutionHistory",
        ]
        self._allow(follows, [self._arn("states", f"execution:{machine.state_machine_name}:*")])
        element = machine.node.default_child
        assert isinstance(element, CfnElement)  # noqa: S101 - every L2 machine is made of one
        name = stack.get_logical_id(element)
        self._accept(self._arn_in_nag("states", f"execution:<{name}.Name>:*"), _ONE_MACHINE)
        self._allow(["cloudwatch:DescribeAlarms"], [self._arn("cloudwatch", "alarm:*")])
        self._accept(self._arn_in_nag("cloudwatch", "alarm:*"), _ALL_ALARMS)

    def _allow_snapshots(self, bucket: s3.Bucket) -> None:
        """Read, publish, tag and sweep; batches and deltas are out of reach."""
        self._allow(["s3:ListBucket"], [bucket.bucket_arn])
        for actions, patterns in (
            (["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], KEPT),
            (["s3:GetObject", "s3:PutObject"], [HEADS]),
            (["s3:DeleteObject"], [SUCCESSORS]),
            (["s3:GetObject"], [PREDECESSORS]),
        ):
            self._allow(actions, [bucket.arn_for_objects(pattern) for pattern in patterns])
            for pattern in patterns:
                accept_objects(self.policy, bucket, pattern)

    def _allow_tables(self, storage: Storage, domain: Domain) -> None:
        """Compare the table, put the smoke test's item in and out, read and take leases."""
        reads = ["dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:Scan"]
        smokes = ["dynamodb:PutItem", "dynamodb:DeleteItem"]
        self._allow([*reads, *smokes], [storage.entities.table_arn])
        items = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [*domain.collections, KEY]}}
        leases = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
        self._allow(leases, [storage.locks.table_arn], items)

    def _allow_letters(self, queues: Queues, failures: s3.Bucket) -> None:
        """See what was set aside, and send it once more."""
        measures = "sqs:GetQueueAttributes"
        self._allow([measures, "sqs:SendMessage"], [queues.inbox.queue_arn])
        takes = ["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage"]
        self._allow([measures, *takes, "sqs:SendMessage"], [queues.dlq.queue_arn])
        self._allow(["s3:ListBucket"], [failures.bucket_arn])
        batches = failures.arn_for_objects(LAMBDA_PREFIX)
        self._allow(["s3:GetObject", "s3:DeleteObject"], [batches])
        accept_objects(self.policy, failures, LAMBDA_PREFIX)

    def _allow(
        self,
        actions: Sequence[str],
        resources: Sequence[str],
        conditions: Mapping[str, Any] | None = None,
    ) -> None:
        """Allow `actions` on these resources, and to use their keys."""
        self.policy.add_statements(
            iam.PolicyStatement(
                actions=list(actions), resources=list(resources), conditions=conditions
            ),
            *self._keys.rights(actions, resources),
        )

    def _arn(self, service: str, what: str) -> str:
        stack = Stack.of(self)
        return f"arn:{stack.partition}:{service}:{stack.region}:{stack.account}:{what}"

    @staticmethod
    def _arn_in_nag(service: str, what: str) -> str:
        return f"arn:<AWS::Partition>:{service}:<AWS::Region>:<AWS::AccountId>:{what}"

    def _accept(self, resource: str, reason: str) -> None:
        accept(self.policy, f"AwsSolutions-IAM5[Resource::{resource}]", reason)
