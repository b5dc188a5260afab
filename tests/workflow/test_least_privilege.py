"""With every role, bucket and queue policy evaluated, the pipeline has what it needs, and no more.

MiniStack evaluates policies under AUTH=true; it speaks http only, so the policies that demand TLS
are left out here (that they are there is asserted on the template).
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from instep.app import DEFAULT_STACK
from instep.aws.objects import Objects
from instep.local.deploy import bootstrap, deploy_assembly
from instep.local.target import Target
from instep.snapshot.copy.reader import open_snapshot
from tests.support.cloud import faulty_cloud
from tests.support.deployed import DeployedApp
from tests.support.receipts import Receipt


@pytest.fixture(scope="module")
def strict(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedApp]:
    folder = tmp_path_factory.mktemp("strict")
    with faulty_cloud(folder / "state", AUTH="true") as (cloud, proxy):
        target = Target.of(cloud)
        bootstrap(target)
        for bucket in target.client("s3").list_buckets()["Buckets"]:
            target.client("s3").delete_bucket_policy(Bucket=bucket["Name"])  # the CDK's own
        plain = as_ministack_reads_it(assembly, folder / "cdk.out")
        app = DeployedApp(target, deploy_assembly(target, plain), proxy)
        app.schedule(enabled=False)
        yield app


def as_ministack_reads_it(assembly: Path, copy: Path) -> Path:
    """Copy the assembly without the policies that demand TLS, and with the batch actions of SQS,
    which AWS allows under the single action's name.
    """
    shutil.copytree(assembly, copy)
    path = copy / f"{DEFAULT_STACK}.template.json"
    template = json.loads(path.read_text())
    demanding = {
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] in {"AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"}
    }
    for name in demanding:
        del template["Resources"][name]
    for resource in template["Resources"].values():
        after = resource.pop("DependsOn", [])
        resource["DependsOn"] = [name for name in after if name not in demanding]
        if resource["Type"] == "AWS::IAM::Policy":
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                statement["Action"] = with_batches(statement["Action"])
    path.write_text(json.dumps(template))
    return copy


def with_batches(actions: str | list[str]) -> list[str]:
    listed = [actions] if isinstance(actions, str) else actions
    single = {"sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"}
    return [*listed, *(f"{action}Batch" for action in listed if action in single)]


@pytest.fixture(scope="module")
def ran(strict: DeployedApp) -> Receipt:
    """A receipt that was brought in, and a message that nobody can read."""
    app, receipt = strict, Receipt("strict")
    receipt.upload(app.target.client("s3"), app.deployment.chromadb_bucket)
    app.write(*receipt.items(), receipt.run(), receipt.label(1, "TOTAL", "VALID"))
    app.target.client("sqs").send_message(
        QueueUrl=app.deployment.inbox_queue_url, MessageBody="poison"
    )
    app.drained()
    assert len(app.rejected()) == 1
    return receipt


def test_a_whole_run_with_every_policy_evaluated(strict: DeployedApp, ran: Receipt) -> None:
    app, receipt = strict, ran
    for arn in app.executions():
        outcome = app.ended(arn).outcome
        assert outcome.succeeded, outcome
    words = app.embeddings("words", receipt.prefix)
    assert words[receipt.word_id(1)]["label_status"] == "validated"


def test_a_whole_table_with_every_policy_evaluated(strict: DeployedApp) -> None:
    outcome = strict.run({"Sync": {"segments": 2}}).outcome
    assert outcome.succeeded, outcome
    strict.drained()
    assert len(strict.rejected()) == 0


def test_the_daily_sweep_as_its_schedules_start_it(strict: DeployedApp) -> None:
    """All is young, so it deletes nothing: it lists and reads, and says so."""
    scheduler, functions = (strict.target.client(name) for name in ("scheduler", "lambda"))
    found = [
        scheduler.get_schedule(Name=listed["Name"], GroupName=listed["GroupName"])["Target"]
        for listed in scheduler.list_schedules()["Schedules"]
    ]
    daily = [one for one in found if one["Arn"] != strict.deployment.state_machine_arn]
    assert len(daily) == 2
    for one in daily:
        answer = functions.invoke(FunctionName=one["Arn"], Payload=one["Input"].encode())
        said = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, said
        assert said == {**json.loads(one["Input"]), "versions": 0, "packs": 0, "bytes": 0}


@pytest.mark.usefixtures("ran")
def test_a_reader_with_the_stacks_policy_opens_a_snapshot_and_may_do_nothing_else(
    strict: DeployedApp,
) -> None:
    outputs = strict.target.client("cloudformation").describe_stacks(StackName=DEFAULT_STACK)
    (policy,) = (
        one["OutputValue"]
        for one in outputs["Stacks"][0]["Outputs"]
        if one["OutputKey"] == "ReaderPolicyArn"
    )
    iam, bucket = strict.target.client("iam"), strict.deployment.chromadb_bucket
    iam.create_user(UserName="reader")
    iam.attach_user_policy(UserName="reader", PolicyArn=policy)
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    environ = dict(strict.target.environ)
    environ["AWS_ACCESS_KEY_ID"] = key["AccessKeyId"]
    environ["AWS_SECRET_ACCESS_KEY"] = key["SecretAccessKey"]
    s3 = Target(environ, local=True).client("s3")
    with open_snapshot(Objects(s3, bucket), "words") as snapshot:
        assert snapshot.collection.count() > 0
    refused: list[Callable[[], object]] = [
        lambda: s3.put_object(Bucket=bucket, Key="words/HEAD", Body=b"{}"),
        lambda: s3.delete_object(Bucket=bucket, Key="words/HEAD"),
        lambda: s3.get_object(Bucket=bucket, Key="batches/one"),
    ]
    strict.target.client("s3").put_object(Bucket=bucket, Key="batches/one", Body=b"{}")
    for call in refused:
        with pytest.raises(ClientError, match="AccessDenied"):
            call()


def test_policies_are_really_evaluated(strict: DeployedApp) -> None:
    """The proof of the other test: without its policy a function may do nothing."""
    app = strict
    iam, function = app.target.client("iam"), app.function("AcquireLock")
    role = app.target.client("lambda").get_function_configuration(FunctionName=function)["Role"]
    name = role.rpartition("/")[2]
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    iam.delete_role_policy(RoleName=name, PolicyName=policy)
    try:
        answer = app.target.client("lambda").invoke(
            FunctionName=function,
            Payload=b'{"collection": "words", "execution": "test", "request": "pass"}',
        )
        assert b"AccessDenied" in answer["Payload"].read()
    finally:
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
