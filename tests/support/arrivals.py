"""A receipt that arrives in a pipeline over moto, and what is to be seen of it afterwards."""

from typing import Any

from instep.objects import Objects
from instep.parking import BatchRef, fetch_deliveries
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


def come_back(pipeline: Pipeline, state: dict[str, Any]) -> None:
    """Make the drained messages visible again, as their visibility timeout would."""
    reference = BatchRef.from_payload(state["deliveries"])
    for held in fetch_deliveries(Objects(pipeline.aws.s3, BUCKET), reference).held:
        pipeline.aws.sqs.change_message_visibility(
            QueueUrl=pipeline.aws.inbox_url, ReceiptHandle=held.handle, VisibilityTimeout=0
        )


def queued(pipeline: Pipeline) -> tuple[int, int]:
    """Return visible and in-flight messages."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = pipeline.aws.sqs.get_queue_attributes(
        QueueUrl=pipeline.aws.inbox_url, AttributeNames=names
    )["Attributes"]
    return int(found[names[0]]), int(found[names[1]])
