"""Least privilege, and what cdk-nag's AwsSolutions pack finds."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from instep.cdk.packages import Packages
from tests.infrastructure.synthesis import Synthesized, synthesize

# AWS's service authorization reference gives these no resource type.
NO_RESOURCE = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
}
FUNCTIONS = {
    "Ingest",
    "ParseBatch",
    "AcquireLock",
    "ApplyUpdates",
    "UploadSnapshot",
    "FoldSnapshot",
    "ReleaseLock",
    "SettleBatch",
    "SyncTable",
}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(app: Synthesized) -> Iterator[tuple[str, set[str], list[Any]]]:
    """Yield logical id, actions and resources of every statement of a role or its policies."""
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        for name, policy in app.resources(kind).items():
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, set(listed(statement["Action"])), listed(statement["Resource"])
    for name, role in app.resources("AWS::IAM::Role").items():
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, set(listed(statement["Action"])), listed(statement["Resource"])


def actions_of(app: Synthesized, function: str) -> set[str]:
    return {
        action
        for name, actions, _ in allowed(app)
        if name.startswith(f"Functions{function}Role")
        for action in actions
    }


def test_nag_finds_nothing(app: Synthesized) -> None:
    assert app.findings == ()


def told_of_alarms_and_of_the_budget(app: Synthesized) -> None:
    """By mail, and by the topic that alarms speak to; both may publish, for this account."""
    (topic,) = app.resources("AWS::SNS::Topic")
    mail = app.one("AWS::SNS::Subscription")
    assert (mail["Protocol"], mail["Endpoint"]) == ("email", "ops@example.com")
    assert mail["TopicArn"] == {"Ref": topic}
    budget = app.one("AWS::Budgets::Budget")
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 50, "Unit": "USD"}
    told = budget["NotificationsWithSubscribers"]
    assert [each["Notification"]["Threshold"] for each in told] == [80, 100]
    assert all(each["Subscribers"][0]["Address"] == {"Ref": topic} for each in told)
    policy = app.one("AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    (allowed,) = (each for each in policy if each["Effect"] == "Allow")
    services = {"cloudwatch.amazonaws.com", "budgets.amazonaws.com"}
    assert set(allowed["Principal"]["Service"]) == services
    account = {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert allowed["Condition"] == {"StringEquals": account}


TABLE_KEY = "arn:aws:kms:us-east-1:123456789012:key/0e7a1c52-0000-4000-8000-00000000000a"
DATA_KEY = "arn:aws:kms:us-east-1:123456789012:key/0e7a1c52-0000-4000-8000-00000000000b"


@pytest.fixture(scope="module")
def variant(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """Everything by configuration: others' deltas, an existing table, the customer's own keys."""
    return synthesize(
        packages,
        tmp_path_factory.mktemp("cdk.out"),
        deltaBuckets="embeddings-a, embeddings-b",
        entityTableName="Receipts",
        entityTableStreamArn="arn:aws:dynamodb:us-east-1:123456789012:table/Receipts/stream/2026",
        alarmEmail="ops@example.com",
        monthlyBudgetUsd="50",
        entityTableKeyArn=TABLE_KEY,
        encryptionKeyArn=DATA_KEY,
    )


def test_nag_finds_nothing_with_foreign_deltas_an_existing_table_and_keys(
    variant: Synthesized,
) -> None:
    assert variant.findings == ()
    told_of_alarms_and_of_the_budget(variant)
    text = json.dumps(variant.template)
    assert ":s3:::embeddings-a/*" in text
    assert ":s3:::embeddings-b/*" in text


def test_no_action_is_a_wildcard(app: Synthesized) -> None:
    assert not [(name, one) for name, actions, _ in allowed(app) for one in actions if "*" in one]


def test_a_star_as_resource_only_where_aws_names_none(app: Synthesized) -> None:
    for name, actions, resources in allowed(app):
        if "*" in resources:
            assert actions <= NO_RESOURCE, name


def test_no_managed_policies(app: Synthesized) -> None:
    for name, role in app.resources("AWS::IAM::Role").items():
        assert "ManagedPolicyArns" not in role, name


def test_each_function_has_a_role_of_its_own(app: Synthesized) -> None:
    roles = [json.dumps(one["Role"]) for one in app.resources("AWS::Lambda::Function").values()]
    assert len(set(roles)) == len(roles) == len(FUNCTIONS | {"SweepVersions"})


@pytest.mark.parametrize(
    "function", sorted(FUNCTIONS - {"ApplyUpdates", "SettleBatch", "SyncTable"})
)
def test_only_apply_settle_and_sync_touch_the_entity_table(app: Synthesized, function: str) -> None:
    for name, actions, resources in allowed(app):
        if name.startswith(f"Functions{function}Role"):
            assert "StorageEntities" not in json.dumps(resources), actions


def test_only_who_publishes_may_write_head(app: Synthesized) -> None:
    """Invariant 3 by policy: no other function could move HEAD if it tried; who rolls back may."""
    writers = {
        name.removeprefix("Functions").partition("Role")[0]
        for name, actions, resources in allowed(app)
        if "s3:PutObject" in actions
        and any(text in json.dumps(resources) for text in ('/HEAD*"', '"/*"'))
    }
    assert {one for one in writers if not one.startswith("OperatorsPolicy")} == {
        "UploadSnapshot",
        "FoldSnapshot",
    }


def test_nobody_may_delete_an_object_or_an_item(app: Synthesized) -> None:
    for function in FUNCTIONS:
        deleting = {one for one in actions_of(app, function) if "Delete" in one}
        assert deleting <= {"sqs:DeleteMessage"}, function


@pytest.mark.invariant(2)
def test_the_sweep_may_delete_versions_and_packs_and_write_nothing(app: Synthesized) -> None:
    """HEAD, parked batches and deltas are out of its reach, whatever its code does."""
    may = {
        action: json.dumps(resources)
        for name, actions, resources in allowed(app)
        if name.startswith("SweepingSweepVersionsRole")
        for action in actions
        if not action.startswith(("logs:", "xray:"))
    }
    assert may.keys() == {"s3:ListBucket", "s3:GetObject", "s3:DeleteObject"}
    patterns = set(re.findall(r'"(/[^"]+)"', may["s3:DeleteObject"]))
    assert patterns == {"/*/versions/*", "/*/packs/*"}


def test_the_sweeps_schedule_may_start_it_and_nothing_else(app: Synthesized) -> None:
    found = [
        (actions, resources)
        for name, actions, resources in allowed(app)
        if name.startswith("SweepingStarter")
    ]
    (alias,) = (name for name in app.resources("AWS::Lambda::Alias") if name.startswith("Sweeping"))
    assert found == [({"lambda:InvokeFunction"}, [{"Ref": alias}])]


def test_a_sync_reads_the_table_and_changes_nothing_but_the_inbox(app: Synthesized) -> None:
    own = {one for one in actions_of(app, "SyncTable") if not one.startswith(("logs:", "xray:"))}
    assert own == {
        "dynamodb:Scan",
        "dynamodb:UpdateItem",
        "sqs:SendMessage",
        "sqs:GetQueueAttributes",
        "events:PutEvents",
        "s3:GetObject",
        "s3:ListBucket",
    }
    for name, actions, resources in allowed(app):
        if name.startswith("FunctionsSyncTableRole") and "StorageEntities" in json.dumps(resources):
            assert actions == {"dynamodb:Scan"}


OF_A_BATCH = FUNCTIONS - {"Ingest", "FoldSnapshot", "SyncTable"}


@pytest.mark.parametrize(
    ("role", "called"),
    [
        ("WorkflowRole", OF_A_BATCH | {"FoldSnapshot", "SyncTable"}),
        ("WorkflowRoundRole", OF_A_BATCH),
    ],
)
def test_a_machine_may_invoke_the_functions_of_its_states_and_nothing_else(
    app: Synthesized, role: str, called: set[str]
) -> None:
    (invoked,) = [
        resources
        for name, actions, resources in allowed(app)
        if actions == {"lambda:InvokeFunction"} and re.fullmatch(rf"{role}[0-9A-F]{{8}}", name)
    ]
    versions = [one["Fn::Join"][1] for one in invoked]
    assert all(ending == ":*" for _, ending in versions), "a run goes on with what it began with"
    functions = {function["Fn::GetAtt"][0] for function, _ in versions}
    assert {one.removeprefix("Functions").partition("Function")[0] for one in functions} == called
    machine = app.round if "Round" in role else app.runner
    text = json.dumps(machine)
    assert set(re.findall(r"function:(\w+)", text)) == functions


def test_the_runner_may_start_rounds_and_the_round_nothing(app: Synthesized) -> None:
    rights = {
        name: (actions, resources)
        for name, actions, resources in allowed(app)
        if name.startswith("Workflow") and any("Sync" in one for one in actions)
    }
    ((name, right),) = rights.items()
    assert re.fullmatch(r"WorkflowRole[0-9A-F]{8}", name)
    assert right == ({"states:StartSyncExecution"}, [{"Ref": machine_of(app, "EXPRESS")}])


def machine_of(app: Synthesized, kind: str) -> str:
    (name,) = (
        name
        for name, machine in app.resources("AWS::StepFunctions::StateMachine").items()
        if machine["StateMachineType"] == kind
    )
    return name


@pytest.mark.parametrize(
    ("function", "may"),
    [
        ("Ingest", {"dynamodb:UpdateItem"}),
        ("ParseBatch", {"dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:Scan"}),
        ("AcquireLock", {"dynamodb:GetItem", "dynamodb:UpdateItem"}),
        ("SettleBatch", {"dynamodb:UpdateItem"}),
        ("SyncTable", {"dynamodb:UpdateItem"}),
    ],
)
def test_what_a_function_may_do_with_leases_and_the_runner(
    app: Synthesized, function: str, may: set[str]
) -> None:
    found = {
        action
        for name, actions, resources in allowed(app)
        if name.startswith(f"Functions{function}Role") and "StorageLocks" in json.dumps(resources)
        for action in actions
    }
    assert found == may


@pytest.mark.parametrize("kind", ["AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"])
def test_buckets_and_queues_refuse_plain_http(app: Synthesized, kind: str) -> None:
    policies = app.resources(kind)
    assert len(policies) == 2
    for policy in policies.values():
        denied = [
            statement
            for statement in policy["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny"
            and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        ]
        assert len(denied) == 1


def test_a_trigger_may_start_this_machine_and_nothing_else(app: Synthesized) -> None:
    starters = [
        resources for _, actions, resources in allowed(app) if "states:StartExecution" in actions
    ]
    assert starters
    assert all(resources == [{"Ref": machine_of(app, "STANDARD")}] for resources in starters)


@pytest.mark.parametrize(
    ("function", "keys"),
    [
        ("AcquireLock", set()),
        ("SyncTable", {TABLE_KEY, DATA_KEY}),
        ("SettleBatch", {TABLE_KEY, DATA_KEY}),
        ("ApplyUpdates", {TABLE_KEY, DATA_KEY}),
        ("Ingest", {TABLE_KEY, DATA_KEY}),
        ("ParseBatch", {DATA_KEY}),
        ("UploadSnapshot", {DATA_KEY}),
    ],
)
def test_who_uses_what_a_customers_key_encrypts_may_use_the_key(
    variant: Synthesized, function: str, keys: set[str]
) -> None:
    polling = variant.one("AWS::IAM::Policy", "IngestPolling")["PolicyDocument"]["Statement"]
    own = [
        (actions, resources)
        for name, actions, resources in allowed(variant)
        if name.startswith(f"Functions{function}Role")
    ]
    if function == "Ingest":
        own += [(set(listed(one["Action"])), listed(one["Resource"])) for one in polling]
    used = {
        resource
        for actions, resources in own
        if actions & {"kms:Decrypt", "kms:GenerateDataKey"}
        for resource in resources
    }
    assert used == keys


def test_buckets_and_queues_are_encrypted_by_the_customers_key(variant: Synthesized) -> None:
    for bucket in variant.resources("AWS::S3::Bucket").values():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == DATA_KEY
        assert rule["BucketKeyEnabled"] is True
    for queue in variant.resources("AWS::SQS::Queue").values():
        assert queue["KmsMasterKeyId"] == DATA_KEY
    for person, may in (
        ("Readers", {DATA_KEY: "kms:Decrypt"}),
        ("Operators", {DATA_KEY: ["kms:Decrypt", "kms:GenerateDataKey"], TABLE_KEY: "kms:Decrypt"}),
    ):
        policy = variant.one("AWS::IAM::ManagedPolicy", person)["PolicyDocument"]
        for key, actions in may.items():
            right = {"Action": actions, "Effect": "Allow", "Resource": key}
            assert right in policy["Statement"], (person, key)


@pytest.mark.parametrize("service", ["states", "events", "scheduler"])
def test_a_service_takes_a_role_only_for_this_account_and_what_is_in_it(
    app: Synthesized, service: str
) -> None:
    """Lambda is not asked: for functions' roles it documents neither key."""
    taken = [
        statement["Condition"]
        for role in app.resources("AWS::IAM::Role").values()
        for statement in role["AssumeRolePolicyDocument"]["Statement"]
        if statement["Principal"]["Service"] == f"{service}.amazonaws.com"
    ]
    assert taken
    for condition in taken:
        assert condition["StringEquals"]["aws:SourceAccount"] == {"Ref": "AWS::AccountId"}
        assert "aws:SourceArn" in json.dumps(condition)
