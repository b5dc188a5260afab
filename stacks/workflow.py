"""The main path of the state machine, in reading order.

A round drains what is in the inbox; rounds follow each other while there is more. Standard type:
an execution outlives a Lambda function, and its history says for 90 days what happened.
"""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.collection_path import CollectionPath
from stacks.config import Config
from stacks.function import retention
from stacks.functions import Functions
from stacks.nag import accept
from stacks.retries import retry_transient
from stacks.task import invoke

MAX_ROUNDS = 50  # then the schedule starts afresh: an execution's history holds 25,000 events
MAX_PARALLEL = 10
COUNTERS = ("round", "failures", "deferred", "rejected")  # running totals over the rounds


class Workflow(Construct):
    """Wires the states below, in the order they run, into one state machine."""

    def __init__(self, scope: Construct, id_: str, *, config: Config, functions: Functions) -> None:
        super().__init__(scope, id_)
        outcome = Outcome(self, "End").state
        parse = ParseBatch(self, "Parse", function=functions.parse_batch).state
        settle = SettleBatch(self, "Settle", function=functions.settle_batch).state
        collections = EachCollection(self, "Collections", functions=functions).state
        has_work = HasWork(self, "Work", work=collections, nothing=outcome).state
        more = MoreWork(self, "More", again=parse, done=outcome).state

        begin = Begin(self, "Start").state
        begin.next(parse)
        parse.next(has_work)
        collections.next(settle)
        settle.next(more)

        self.machine = _state_machine(self, config, begin, functions)


class Begin(Construct):
    """Sets the running totals that ParseBatch and SettleBatch carry from round to round."""

    def __init__(self, scope: Construct, id_: str) -> None:
        super().__init__(scope, id_)
        self.state = sfn.Pass(
            self,
            "Begin",
            parameters=dict.fromkeys(COUNTERS, 0),
            comment="The execution's own input stays in $$.Execution.Input.",
        )


class ParseBatch(Construct):
    """Drains the inbox or takes the input, and parks a batch a collection in S3."""

    def __init__(self, scope: Construct, id_: str, *, function: lambda_.Function) -> None:
        super().__init__(scope, id_)
        self.state = invoke(
            self,
            "ParseBatch",
            function=function,
            payload={
                "execution": sfn.JsonPath.string_at("$$.Execution.Name"),
                "input": sfn.JsonPath.object_at("$$.Execution.Input"),
                **_counters(),
            },
            result_path=None,
            comment="Drain, parse, coalesce, park. InputRejected is not caught: the execution "
            "fails with a cause that shows the accepted shapes.",
        )
        retry_transient(self.state)


class HasWork(Construct):
    """An idle start ends here: three transitions, nothing moved."""

    def __init__(
        self, scope: Construct, id_: str, *, work: sfn.IChainable, nothing: sfn.IChainable
    ) -> None:
        super().__init__(scope, id_)
        self.state = sfn.Choice(
            self, "HasWork?", comment="Nothing to do, nothing moved: no lock, no snapshot."
        )
        self.state.when(sfn.Condition.boolean_equals("$.has_work", True), work)
        self.state.otherwise(nothing)


class EachCollection(Construct):
    """The fan-out: one item a collection, each on the path of collection_path.py."""

    def __init__(self, scope: Construct, id_: str, *, functions: Functions) -> None:
        super().__init__(scope, id_)
        path = CollectionPath(self, "Path", functions=functions)
        self.state = sfn.Map(
            self,
            "EachCollection",
            items_path="$.collections",
            item_selector={
                "collection": sfn.JsonPath.string_at("$$.Map.Item.Value.collection"),
                "batch": sfn.JsonPath.object_at("$$.Map.Item.Value.batch"),
                "execution": sfn.JsonPath.string_at("$$.Execution.Name"),
                "lease": {},
                "staged": {"attempt": 0},
            },
            max_concurrency=MAX_PARALLEL,
            result_path="$.outcomes",
            comment="Collections in parallel; an item catches its own errors and ends in an "
            "outcome.",
        )
        self.state.item_processor(path.first)


class SettleBatch(Construct):
    """Turns outcomes into what becomes of each message: deleted, back, sent again, or the DLQ."""

    def __init__(self, scope: Construct, id_: str, *, function: lambda_.Function) -> None:
        super().__init__(scope, id_)
        self.state = invoke(
            self,
            "SettleBatch",
            function=function,
            payload={
                "execution": sfn.JsonPath.string_at("$$.Execution.Name"),
                **_counters(),
                "deliveries": sfn.JsonPath.object_at("$.deliveries"),
                "outcomes": sfn.JsonPath.object_at("$.outcomes"),
            },
            result_path=None,
            comment="After publish only: a message is deleted when the head carries it. Dying "
            "here means redelivery, which changes nothing.",
        )
        retry_transient(self.state)


class MoreWork(Construct):
    """Group commit: what piled up during a round is the next round's batch."""

    def __init__(
        self, scope: Construct, id_: str, *, again: sfn.IChainable, done: sfn.IChainable
    ) -> None:
        super().__init__(scope, id_)
        self.state = sfn.Choice(
            self, "MoreWork?", comment="Go on while the inbox has messages and rounds are left."
        )
        more = sfn.Condition.boolean_equals("$.more", True)
        left = sfn.Condition.number_less_than("$.round", MAX_ROUNDS)
        self.state.when(sfn.Condition.and_(more, left), again)
        self.state.otherwise(done)


class Outcome(Construct):
    """The execution's colour: red only when something failed, with a cause to act on."""

    def __init__(self, scope: Construct, id_: str) -> None:
        super().__init__(scope, id_)
        self.state = sfn.Choice(
            self, "Outcome?", comment="Deferred is no failure; a failed collection is."
        )
        failed = sfn.Fail(
            self,
            "RunFailed",
            error="CompactionFailed",
            cause_path="$.cause",
            comment="The messages of what failed are in the inbox again, or in the DLQ.",
        )
        succeeded = sfn.Succeed(
            self, "Succeeded", comment="All that was taken is applied, or back in the inbox."
        )
        self.state.when(sfn.Condition.number_greater_than("$.failures", 0), failed)
        self.state.otherwise(succeeded)


def _counters() -> dict[str, object]:
    return {name: sfn.JsonPath.number_at(f"$.{name}") for name in COUNTERS}


def _state_machine(
    scope: Construct, config: Config, begin: sfn.Pass, functions: Functions
) -> sfn.StateMachine:
    group = logs.LogGroup(
        scope,
        "Log",
        # The prefix keeps the account's log resource policy from growing with each machine.
        log_group_name=f"/aws/vendedlogs/states/{config.name}",
        retention=retention(config),
        removal_policy=RemovalPolicy.DESTROY,
    )
    role = _role(scope, functions)
    return sfn.StateMachine(
        scope,
        "Machine",
        definition_body=sfn.DefinitionBody.from_chainable(begin),
        state_machine_type=sfn.StateMachineType.STANDARD,
        role=role.without_policy_updates(),
        tracing_enabled=True,
        logs=sfn.LogOptions(
            destination=group, level=sfn.LogLevel.ALL, include_execution_data=False
        ),
        comment="Keeps ChromaDB collections on S3 in step with a DynamoDB table.",
    )


def _role(scope: Construct, functions: Functions) -> iam.Role:
    """Invoke exactly our functions; what CDK would add allows every version of them by a `*`."""
    invoked = iam.PolicyStatement(
        actions=["lambda:InvokeFunction"],
        resources=[function.function_arn for function in functions.of_the_workflow],
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
        assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
        inline_policies={
            "Invoke": iam.PolicyDocument(statements=[invoked]),
            "Observe": iam.PolicyDocument(statements=[observed]),
        },
    )
    accept(
        role,
        "AwsSolutions-IAM5[Resource::*]",
        "Log delivery and X-Ray take no resource (service authorization reference).",
    )
    return role
