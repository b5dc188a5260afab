"""Least privilege by evaluation: what a role needs is allowed, and the call next to it refused."""

import json
import re

import pytest

from instep.flow.lock_item import KEY
from tests.infrastructure.synthesis import Synthesized
from tests.support.policies import Call, allows, locks

INBOX, DLQ, TABLE, BUCKET = (
    "arn:QueuesInbox",
    "arn:QueuesDlq",
    "arn:StorageEntities",
    "arn:StorageSnapshots",
)
BUS = "arn:aws:events:us-east-1:123456789012:event-bus/default"
STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/Instep/an-id"
ALARM = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:Instep-head-behind"
FAILED = "arn:IngestFailures/aws/lambda/mapping/shard/batch"
RUNNER, ROUND = "arn:WorkflowMachine", "arn:WorkflowRoundMachine"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:{}/Name:an-execution"


def on(action: str, key: str) -> Call:
    return Call(f"s3:{action}", f"{BUCKET}/{key}")


ROLES = {
    "Ingest": [
        (Call("sqs:SendMessage", INBOX), Call("sqs:ReceiveMessage", INBOX)),
        (Call("sqs:SendMessage", DLQ), Call("sqs:PurgeQueue", DLQ)),
        (locks("UpdateItem", KEY), locks("UpdateItem", "words")),
        (Call("events:PutEvents", BUS), Call("events:PutRule", BUS)),
        (Call("dynamodb:GetRecords", f"{TABLE}/StreamArn"), Call("dynamodb:Scan", TABLE)),
    ],
    "ParseBatch": [
        (Call("sqs:ReceiveMessage", INBOX), Call("sqs:ReceiveMessage", DLQ)),
        (Call("sqs:SendMessage", DLQ), Call("sqs:SendMessage", INBOX)),
        (locks("UpdateItem", "words"), locks("DeleteItem", "words")),
        (on("PutObject", "batches/one"), on("PutObject", "words/HEAD")),
    ],
    "AcquireLock": [
        (locks("UpdateItem", "words"), locks("UpdateItem", KEY)),
        (locks("GetItem", "lines"), locks("GetItem", "another")),
    ],
    "ApplyUpdates": [
        (Call("dynamodb:Query", TABLE), Call("dynamodb:Scan", TABLE)),
        (Call("dynamodb:UpdateItem", TABLE), Call("dynamodb:DeleteItem", TABLE)),
        (on("PutObject", "words/packs/aa"), on("PutObject", "words/HEAD")),
        (on("GetObject", "words/delta/run/delta.tar.gz"), on("DeleteObject", "words/packs/aa")),
        (locks("UpdateItem", "lines"), locks("UpdateItem", KEY)),
    ],
    "UploadSnapshot": [
        (on("PutObject", "words/HEAD"), on("PutObject", "words/packs/aa")),
        (on("GetObject", "words/versions/v.json"), on("GetObject", "words/packs/aa")),
        (locks("GetItem", "words"), locks("GetItem", KEY)),
    ],
    "FoldSnapshot": [
        (on("PutObject", "words/packs/aa"), on("PutObject", "batches/one")),
        (on("GetObject", "words/HEAD"), on("GetObject", "batches/one")),
        (locks("UpdateItem", "words"), Call("dynamodb:GetItem", TABLE)),
    ],
    "ReleaseLock": [
        (locks("UpdateItem", "words"), locks("DeleteItem", "words")),
        (locks("GetItem", "words"), locks("GetItem", KEY)),
    ],
    "SettleBatch": [
        (Call("sqs:DeleteMessage", INBOX), Call("sqs:DeleteMessage", DLQ)),
        (Call("dynamodb:UpdateItem", TABLE), Call("dynamodb:PutItem", TABLE)),
        (on("GetObject", "batches/one"), on("GetObject", "words/HEAD")),
        (locks("UpdateItem", KEY), locks("UpdateItem", "words")),
    ],
    "SyncTable": [
        (Call("dynamodb:Scan", TABLE), Call("dynamodb:UpdateItem", TABLE)),
        (Call("sqs:SendMessage", INBOX), Call("sqs:DeleteMessage", INBOX)),
        (on("GetObject", "words/HEAD"), on("PutObject", "words/HEAD")),
        (locks("UpdateItem", KEY), locks("UpdateItem", "words")),
    ],
}
OTHERS = {
    "SweepingSweepVersionsRole": [
        (on("DeleteObject", "words/versions/v.json"), on("DeleteObject", "words/HEAD")),
        (on("DeleteObject", "words/packs/aa"), on("DeleteObject", "batches/one")),
        (on("GetObject", "words/HEAD"), on("PutObject", "words/HEAD")),
    ],
    "TriggersStarter": [
        (
            Call("states:StartExecution", RUNNER),
            Call("states:StartExecution", ROUND),
        ),
    ],
    "ReadersPolicy": [
        (on("GetObject", "words/HEAD"), on("PutObject", "words/HEAD")),
        (on("GetObject", "words/packs/aa"), on("GetObject", "words/delta/run/delta.tar.gz")),
        (on("GetObject", "lines/versions/v.json"), on("GetObject", "batches/one")),
        (Call("s3:ListBucket", BUCKET), Call("s3:ListBucketVersions", BUCKET)),
    ],
    "OperatorsPolicy": [
        (on("PutObject", "words/HEAD"), on("DeleteObject", "words/HEAD")),
        (on("DeleteObject", "words/HEAD.0a1b"), on("DeleteObject", "batches/one")),
        (on("DeleteObject", "words/tags/a"), on("DeleteObjectVersion", "words/tags/a")),
        (on("GetObject", "words/versions/v.json"), on("GetObject", "words/delta/run/delta.tar.gz")),
        (on("PutObject", "words/packs/aa"), on("PutObject", "batches/one")),
        (on("GetObject", "words/snapshot/a"), on("PutObject", "words/snapshot/a")),
        (Call("s3:ListBucket", BUCKET), Call("s3:PutBucketVersioning", BUCKET)),
        (Call("s3:DeleteObject", FAILED), Call("s3:PutObject", FAILED)),
        (Call("sqs:SendMessage", INBOX), Call("sqs:ReceiveMessage", INBOX)),
        (Call("sqs:GetQueueAttributes", INBOX), Call("sqs:PurgeQueue", INBOX)),
        (Call("sqs:DeleteMessage", DLQ), Call("sqs:PurgeQueue", DLQ)),
        (Call("dynamodb:Scan", TABLE), Call("dynamodb:UpdateItem", TABLE)),
        (Call("dynamodb:DeleteItem", TABLE), Call("dynamodb:DeleteTable", TABLE)),
        (locks("UpdateItem", KEY), locks("UpdateItem", "another")),
        (locks("GetItem", "words"), locks("DeleteItem", "words")),
        (Call("states:StartExecution", RUNNER), Call("states:StartExecution", ROUND)),
        (Call("states:ListExecutions", RUNNER), Call("states:UpdateStateMachine", RUNNER)),
        (
            Call("states:DescribeExecution", EXECUTION.format(RUNNER)),
            Call("states:StopExecution", EXECUTION.format(RUNNER)),
        ),
        (
            Call("states:GetExecutionHistory", EXECUTION.format(RUNNER)),
            Call("states:GetExecutionHistory", EXECUTION.format(ROUND)),
        ),
        (Call("events:PutEvents", BUS), Call("events:PutRule", BUS)),
        (Call("cloudformation:DescribeStacks", STACK), Call("cloudformation:UpdateStack", STACK)),
        (
            Call("cloudformation:DescribeStacks", STACK),
            Call("cloudformation:DescribeStacks", STACK.replace("Instep", "Instep2")),
        ),
        (Call("cloudwatch:DescribeAlarms", ALARM), Call("cloudwatch:DisableAlarmActions", ALARM)),
    ],
}
PAIRS = [
    (role, *pair)
    for roles, prefix, suffix in ((ROLES, "Functions", "Role"), (OTHERS, "", ""))
    for name, pairs in roles.items()
    for role in [f"{prefix}{name}{suffix}"]
    for pair in pairs
]


@pytest.mark.parametrize(("role", "allowed", "refused"), PAIRS)
def test_what_a_role_needs_is_allowed_and_the_call_next_to_it_refused(
    app: Synthesized, role: str, allowed: Call, refused: Call
) -> None:
    assert allows(app.template, role, allowed)
    assert not allows(app.template, role, refused)


@pytest.mark.parametrize("person", ["Readers", "Operators"])
def test_a_managed_policy_has_room_left(app: Synthesized, person: str) -> None:
    """IAM counts 6,144 characters; names that CloudFormation makes are as long as they can be."""
    document = app.one("AWS::IAM::ManagedPolicy", person)["PolicyDocument"]
    text = json.dumps(document, separators=(",", ":"))
    named = re.sub(r'\{"(Ref|Fn::GetAtt)":[^}]*\}', "x" * 80, text)
    assert len(re.sub(r'\{"Fn::Join":\["",', "", named)) < 6144 * 2 / 3


def test_no_policy_grows_with_the_collections(app: Synthesized) -> None:
    """But by their names in the lock table, which are short."""
    for kind in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
        for policy in app.resources(kind).values():
            for statement in policy["PolicyDocument"]["Statement"]:
                assert not re.search(r"/(words|lines)/", json.dumps(statement["Resource"]))


def test_every_role_of_a_function_is_judged(app: Synthesized) -> None:
    roles = [name for name in app.resources("AWS::IAM::Role") if "Role" in name]
    functions = {name[:-8] for name in roles if name.startswith(("Functions", "SweepingSweep"))}
    assert functions == {role for role, _, _ in PAIRS if role.endswith("Role")}
