"""Beside a table the app did not create, with its stream on, the result is the same."""

import pytest

from instep.local.deploy import deploy
from instep.local.fault_proxy import FaultProxy
from instep.local.target import Target
from tests.support.cloud import eventually
from tests.support.deployed import DeployedApp
from tests.support.receipts import Receipt

TABLE = "somebody-elses-table"


@pytest.fixture(scope="module")
def beside(target: Target, proxy: FaultProxy, deployed: DeployedApp) -> DeployedApp:
    """A second stack beside the first, on a table that was there before it."""
    assert deployed  # bootstrapped
    made = target.client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[
            {"AttributeName": "PK", "KeyType": "HASH"},
            {"AttributeName": "SK", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "PK", "AttributeType": "S"},
            {"AttributeName": "SK", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    knobs = {
        "name": "Beside",
        "entityTableName": TABLE,
        "entityTableStreamArn": made["LatestStreamArn"],
    }
    app = DeployedApp(target, deploy(target, knobs), proxy)
    app.schedule(enabled=False)
    return app


@pytest.mark.domain("your-table")
def test_a_write_to_the_existing_table_arrives_by_itself(beside: DeployedApp) -> None:
    app, receipt = beside, Receipt("existing")
    assert app.deployment.dynamodb_table_name == TABLE
    receipt.upload(app.target.client("s3"), app.deployment.chromadb_bucket)
    app.put(*receipt.items(), receipt.run(), receipt.label(1, "TOTAL", "VALID"))
    eventually(lambda: validated(app, receipt), "the label is in the snapshot", timeout=90)
    app.drained()
    assert len(app.embeddings("words", receipt.prefix)) == receipt.words
    assert app.rejected() == []


def validated(app: DeployedApp, receipt: Receipt) -> bool:
    if app.head("words") is None:
        return False
    words = app.embeddings("words", receipt.prefix)
    return words.get(receipt.word_id(1), {}).get("label_status") == "validated"


def test_the_stack_makes_no_table_of_entities(beside: DeployedApp) -> None:
    resources = beside.target.client("cloudformation").list_stack_resources(StackName="Beside")
    tables = [
        found["PhysicalResourceId"]
        for found in resources["StackResourceSummaries"]
        if found["ResourceType"] == "AWS::DynamoDB::Table"
    ]
    assert tables == [beside.deployment.lock_table_name]
