"""The deployed pipeline on a stranger's day: a write arrives by itself, poison, bad input, idling,
one collection failing beside a healthy one.
"""

import json
from typing import Any

import pytest

from instep.errors import InputRejected
from instep.local.faults import calls
from tests.support.cloud import eventually
from tests.support.contention import rival_holds
from tests.support.deployed import DeployedApp
from tests.support.items import record
from tests.support.phases import until_settling
from tests.support.receipts import Receipt
from tests.support.trouble import REFUSED


def seeded(app: DeployedApp, image: str) -> Receipt:
    receipt = Receipt(image)
    app.seed(receipt)
    return receipt


@pytest.mark.domain("wrong-acknowledged")
def test_a_write_travels_from_the_table_to_the_snapshot_by_itself(app: DeployedApp) -> None:
    receipt = Receipt("travels")
    before = set(app.executions())
    with app.triggers():
        receipt.upload(app.target.client("s3"), app.deployment.chromadb_bucket)
        app.put(*receipt.items(), receipt.run(), receipt.label(1, "TOTAL", "VALID"))
        runs = eventually(lambda: set(app.executions()) - before, "ingest starts a run")
        assert all(app.ended(arn).outcome.succeeded for arn in runs)
        eventually(
            lambda: (
                app.embeddings("words", receipt.word_id(1))
                .get(receipt.word_id(1), {})
                .get("valid_labels")
            ),
            "the label is in the snapshot",
            timeout=60,
        )
        app.drained()
    assert len(app.embeddings("lines", receipt.prefix)) == 1
    written = app.target.client("dynamodb").get_item(
        TableName=app.deployment.dynamodb_table_name,
        Key={name: receipt.run()[name] for name in ("PK", "SK")},
    )["Item"]
    assert {written[f"{name}_state"]["S"] for name in ("lines", "words")} == {"COMPLETED"}
    assert written["words_merged_vectors"]["N"] == "4"
    assert app.rejected() == []


def test_the_write_back_causes_no_second_merge(app: DeployedApp) -> None:
    """MODIFY of a COMPACTION_RUN says nothing (domain.md): ingest drops it."""
    seeded(app, "write-back")
    versions = {name: app.head(name) for name in ("lines", "words")}
    again = app.run()
    assert again.calls("runner") == ["ParseBatch"]
    assert {name: app.head(name) for name in ("lines", "words")} == versions


def test_an_empty_inbox_moves_nothing(app: DeployedApp) -> None:
    app.run()
    objects, lock = app.objects(), app.lock("words")
    run = app.run()
    assert run.outcome.succeeded
    assert run.calls("runner") == ["ParseBatch"]
    assert (app.objects(), app.lock("words")) == (objects, lock)


def test_poison_goes_to_the_dlq_with_its_reason_and_the_rest_goes_on(app: DeployedApp) -> None:
    receipt = seeded(app, "poison")
    app.change(receipt.label(1, "TOTAL", "VALID"))
    app.target.client("sqs").send_message(
        QueueUrl=app.deployment.inbox_queue_url, MessageBody="{ this is not JSON"
    )
    run = app.run()
    assert run.outcome.succeeded, run.outcome
    (poison,) = app.rejected()
    (bad,) = json.loads(poison["Body"])["Records"]
    assert bad["body"] == "{ this is not JSON"
    assert "no JSON" in poison["MessageAttributes"]["reason"]["StringValue"]
    carried = app.embeddings("words", receipt.word_id(1))[receipt.word_id(1)]
    assert carried["valid_labels"] == ",TOTAL,"
    app.drained()


@pytest.mark.parametrize(
    "given",
    ["a string", [1, 2], {"unknown": True}, {"Records": "no list"}, {"x": "noise" * 40_000}],
    ids=["string", "list", "unknown-keys", "records-no-list", "200KB"],
)
def test_input_of_no_accepted_shape_fails_with_the_shapes(given: object, app: DeployedApp) -> None:
    run = app.run(given)
    assert (run.outcome.status, run.outcome.error) == ("FAILED", InputRejected.__name__)
    assert run.calls("runner") == ["ParseBatch"]
    cause = json.loads(run.outcome.cause or "")["errorMessage"]
    assert "Records" in cause
    assert "{}" in cause
    assert len(run.outcome.cause or "") < 32_000


def test_one_collection_fails_beside_a_healthy_one(app: DeployedApp) -> None:
    """Isolated: lines are applied once, only the words' work comes back, to the same run, which
    says in the end that something had failed.
    """
    receipt = seeded(app, "isolated")
    app.change(receipt.metadata(merchant_name="corner shop"))
    broken = calls("PutObject", function=app.function("UploadSnapshot"), path="/words/HEAD")
    with until_settling(app, app.proxy.failing(broken, REFUSED, times=None)):
        run = app.run()
    assert not run.outcome.succeeded
    assert run.outcome.error == "CompactionFailed"
    assert run.outcome.cause
    assert run.calls("round").count("ApplyUpdates") == 2
    assert run.calls("runner").count("ApplyUpdates") == 1, "the words alone, with more patience"
    for collection in ("lines", "words"):
        assert merchants(app, collection, receipt) == {"Corner Shop"}
    app.drained()


@pytest.mark.domain("wrong-count")
def test_a_busy_lease_defers_and_its_messages_are_waited_for(app: DeployedApp) -> None:
    """Nobody failed: the run is green, and ends when what it deferred is applied."""
    receipt = seeded(app, "busy")
    app.change(receipt.label(1, "TOTAL", "VALID"))
    with until_settling(app, rival_holds(app)):
        run = app.run()
    assert run.outcome.succeeded, run.outcome
    assert run.calls("round").count("SettleBatch") == 2
    assert run.calls("round").count("ApplyUpdates") == 1
    labels = app.embeddings("words", receipt.word_id(1))[receipt.word_id(1)]
    assert labels["valid_labels"] == ",TOTAL,"
    app.drained()


def merchants(app: DeployedApp, collection: str, receipt: Receipt) -> set[Any]:
    carried = app.embeddings(collection, receipt.prefix).values()
    return {found["merchant_name"] for found in carried if "merchant_name" in found}


def test_a_receipt_deleted_and_recreated_in_one_batch(app: DeployedApp) -> None:
    receipt = seeded(app, "recreated")
    word = next(item for item in receipt.items() if item["TYPE"]["S"] == "RECEIPT_WORD")
    app.delete(word)
    app.put(word)
    eventually(lambda: app.waiting() != (0, 0), "ingest queues the deletion")
    app.send(record(old=word))
    assert app.run().outcome.succeeded
    assert len(app.embeddings("words", receipt.prefix)) == receipt.words
    app.delete(*receipt.items())
    eventually(lambda: app.waiting() != (0, 0), "ingest queues the deletions")
    eventually(
        lambda: app.run().outcome.succeeded and not app.embeddings("words", receipt.prefix),
        "the deleted receipt's embeddings go",
    )
    assert not app.embeddings("lines", receipt.prefix)
    app.drained()
