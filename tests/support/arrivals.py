"""A receipt that arrives in a pipeline over moto, and what is to be seen of it afterwards."""

from typing import Any

from tests.support.aws import BUCKET, ENTITIES
from tests.support.pipeline import Pipeline, Run
from tests.support.receipts import Receipt

RECEIPT = Receipt("image-1")


def arrive(pipeline: Pipeline, receipt: Receipt = RECEIPT, **merchant: str) -> list[dict[str, Any]]:
    """Write a receipt with its deltas, its metadata and one label, and ingest the changes; return
    their stream records.
    """
    receipt.upload(pipeline.aws.s3, BUCKET)
    merchant = merchant or {"merchant_name": "corner shop", "place_id": "place-1"}
    changes = pipeline.put(
        *receipt.items(),
        receipt.metadata(**merchant),
        receipt.label(1, "TOTAL", "VALID"),
        receipt.run(),
    )
    pipeline.ingest(changes)
    return changes


def one_round(pipeline: Pipeline, execution: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Take an execution through one round; return each collection's outcome and what follows."""
    state = pipeline.parse(execution)
    items = [pipeline.collection(execution, item) for item in state["collections"]]
    outcomes = {one["collection"]: one["outcome"]["status"] for one in items}
    return outcomes, pipeline.settle(execution, state, items)


def assert_green(run: Run) -> None:
    assert run.succeeded, run.cause


def versions(pipeline: Pipeline) -> dict[str, str]:
    """Return the HEAD objects as they are; HEAD never repeats its bytes."""
    listed = pipeline.aws.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {one["Key"]: one["ETag"] for one in listed if one["Key"].endswith("/HEAD")}


def objects_written(pipeline: Pipeline) -> set[str]:
    listed = pipeline.aws.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {one["Key"] for one in listed}


def run_item(pipeline: Pipeline, receipt: Receipt = RECEIPT) -> dict[str, str]:
    item = receipt.run()
    found = pipeline.aws.dynamodb.get_item(
        TableName=ENTITIES, Key={"PK": item["PK"], "SK": item["SK"]}
    )["Item"]
    return {name: next(iter(value.values())) for name, value in found.items()}


def queued(pipeline: Pipeline) -> tuple[int, int]:
    """Return visible and in-flight messages."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = pipeline.aws.sqs.get_queue_attributes(
        QueueUrl=pipeline.aws.inbox_url, AttributeNames=names
    )["Attributes"]
    return int(found[names[0]]), int(found[names[1]])
