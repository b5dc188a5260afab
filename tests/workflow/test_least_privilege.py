"""With every role, bucket and queue policy evaluated, the pipeline has what it needs, and no more.

MiniStack evaluates policies under AUTH=true; it speaks http only, so the policies that demand TLS
are taken away first (that they are there is asserted on the template).
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cloud import eventually, faulty_cloud
from tests.support.deployed import DeployedApp
from tests.support.receipts import Receipt
from tools.local_cloud.deploy import bootstrap, deploy_assembly
from tools.local_cloud.target import Target


@pytest.fixture(scope="module")
def strict(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedApp]:
    state = tmp_path_factory.mktemp("strict") / "state"
    with faulty_cloud(state, AUTH="true") as (cloud, proxy):
        target = Target.of(cloud)
        bootstrap(target)
        allow_http(target)  # of the CDK's own bucket
        app = DeployedApp(target, deploy_assembly(target, assembly), proxy)
        allow_http(target)
        app.schedule(enabled=False)
        yield app


def allow_http(target: Target) -> None:
    s3, sqs = target.client("s3"), target.client("sqs")
    for bucket in s3.list_buckets()["Buckets"]:
        s3.delete_bucket_policy(Bucket=bucket["Name"])
    for url in sqs.list_queues().get("QueueUrls", []):
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})


def test_a_whole_run_with_every_policy_evaluated(strict: DeployedApp) -> None:
    app, receipt = strict, Receipt("strict")
    receipt.upload(app.target.client("s3"), app.deployment.chromadb_bucket)
    app.put(*receipt.items(), receipt.run(), receipt.label(1, "TOTAL", "VALID"))
    app.target.client("sqs").send_message(
        QueueUrl=app.deployment.inbox_queue_url, MessageBody="poison"
    )
    eventually(lambda: app.head("words"), "the stream starts a run", timeout=90)
    app.drained()
    for arn in app.executions():
        outcome = app.ended(arn).outcome
        assert outcome.succeeded, outcome
    words = app.embeddings("words", receipt.prefix)
    assert words[receipt.word_id(1)]["label_status"] == "validated"
    assert [message["Body"] for message in app.rejected()] == ["poison"]


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
            FunctionName=function, Payload=b'{"collection": "words", "execution": "test"}'
        )
        assert b"AccessDenied" in answer["Payload"].read()
    finally:
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
