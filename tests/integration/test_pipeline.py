"""The handlers together: what is in the table ends in the head snapshots, whatever the order."""

from pathlib import Path
from typing import Any

import pytest

from instep.aws.objects import Objects
from instep.snapshot.acts.publish import publish_unleased
from instep.snapshot.acts.workspace import open_workspace
from instep.snapshot.copy.store import SnapshotStore
from tests.support.arrivals import (
    RECEIPT,
    arrive,
    assert_green,
    objects_written,
    queued,
    run_item,
    versions,
)
from tests.support.aws import BUCKET, ENTITIES, LOCKS
from tests.support.pipeline import Pipeline
from tests.support.receipts import Receipt


@pytest.mark.domain("compaction-run", "two-collections")
@pytest.mark.invariant(4)
def test_a_receipt_arrives_in_both_snapshots_and_its_run_is_completed(pipeline: Pipeline) -> None:
    arrive(pipeline)
    run = pipeline.run()
    assert run.succeeded, run.cause
    assert run.outcomes == [{"lines": "applied", "words": "applied"}]
    words, lines = pipeline.embeddings("words"), pipeline.embeddings("lines")
    assert set(words) == {RECEIPT.word_id(word) for word in range(1, 5)}
    assert set(lines) == {RECEIPT.line_id(1)}
    assert all(one["merchant_name"] == "Corner Shop" for one in [*words.values(), *lines.values()])
    assert words[RECEIPT.word_id(1)]["valid_labels"] == ",TOTAL,"
    item = run_item(pipeline)
    assert (item["lines_state"], item["words_state"]) == ("COMPLETED", "COMPLETED")
    assert (item["lines_merged_vectors"], item["words_merged_vectors"]) == ("1", "4")
    assert queued(pipeline) == (0, 0)
    assert pipeline.rejected() == []


def test_the_lease_is_free_after_every_run_and_its_token_has_grown(pipeline: Pipeline) -> None:
    arrive(pipeline)
    pipeline.run()
    items = pipeline.aws.dynamodb.scan(TableName=LOCKS)["Items"]
    leases = {item["collection"]["S"]: item for item in items}
    for collection in ("lines", "words"):
        assert "owner" not in leases[collection]
        assert int(leases[collection]["fencing_token"]["N"]) >= 1


@pytest.mark.domain("wrong-payload", "wrong-flood")
def test_payloads_stay_small_whatever_the_batch(pipeline: Pipeline) -> None:
    receipts = [Receipt(f"image-{number}", words=2) for number in range(40)]
    records = pipeline.put(
        *(one.label(1, f"LABEL {n}", "VALID") for one in receipts for n in range(25))
    )
    for at in range(0, len(records), 250):
        pipeline.ingest(records[at : at + 250])
    pipeline.largest = 0
    assert_green(pipeline.run())
    assert pipeline.largest < 8_000


def test_a_small_round_parks_one_object_whatever_its_collections(pipeline: Pipeline) -> None:
    """A PUT costs as much as twelve reads, and rounds follow each other every few seconds."""
    arrive(pipeline)
    run = pipeline.run()
    assert run.outcomes == [{"lines": "applied", "words": "applied"}]
    parked = [key for key in objects_written(pipeline) if key.startswith("batches/")]
    assert len(parked) == 1


@pytest.mark.domain("wrong-empty")
@pytest.mark.invariant(1)
def test_an_empty_queue_moves_nothing(pipeline: Pipeline) -> None:
    run = pipeline.run()
    assert run.succeeded, run.cause
    assert run.outcomes == []
    assert objects_written(pipeline) == set()
    arrive(pipeline)
    pipeline.run()
    before, head = objects_written(pipeline), versions(pipeline)
    assert pipeline.run().outcomes == []
    assert (objects_written(pipeline), versions(pipeline)) == (before, head)


@pytest.mark.domain("run-write-back")
def test_the_write_back_causes_no_second_merge(pipeline: Pipeline) -> None:
    arrive(pipeline)
    old = RECEIPT.run()
    pipeline.run()
    key = {"PK": old["PK"], "SK": old["SK"]}
    new = pipeline.aws.dynamodb.get_item(TableName=ENTITIES, Key=key)["Item"]
    (written_back,) = pipeline.put(new)
    written_back["dynamodb"]["OldImage"] = old
    assert written_back["eventName"] == "MODIFY"
    assert pipeline.ingest([written_back])["queued"] == 0
    assert queued(pipeline) == (0, 0)


@pytest.mark.domain("run-processing")
@pytest.mark.invariant(1)
@pytest.mark.invariant(4)
def test_redelivery_after_a_crash_between_publish_and_settle_changes_nothing(
    pipeline: Pipeline,
) -> None:
    arrive(pipeline)
    state = pipeline.parse("dies")
    for item in state["collections"]:
        pipeline.collection("dies", item)
    head, words = versions(pipeline), pipeline.embeddings("words")
    assert run_item(pipeline)["words_state"] == "PROCESSING"
    pipeline.aws.outlast_visibility()
    assert_green(pipeline.run())
    assert pipeline.embeddings("words") == words
    assert run_item(pipeline)["words_state"] == "COMPLETED"
    assert run_item(pipeline)["words_merged_vectors"] == "4"
    assert queued(pipeline) == (0, 0)
    assert versions(pipeline).keys() == head.keys()


@pytest.mark.domain("wrong-order")
@pytest.mark.invariant(4)
def test_delete_then_recreate_in_one_batch_keeps_what_was_recreated(pipeline: Pipeline) -> None:
    arrive(pipeline)
    pipeline.run()
    again = Receipt("image-1", run_id="run-2")
    again.upload(pipeline.aws.s3, BUCKET)
    gone = [*RECEIPT.items(), RECEIPT.metadata(), RECEIPT.label(1, "TOTAL", "VALID")]
    changes = pipeline.remove(*gone)
    changes += pipeline.put(*again.items(), again.metadata(merchant_name="new owner"), again.run())
    pipeline.ingest(list(reversed(changes)))
    assert_green(pipeline.run())
    words = pipeline.embeddings("words")
    assert set(words) == {again.word_id(word) for word in range(1, 5)}
    assert {one["merchant_name"] for one in words.values()} == {"New Owner"}
    assert "valid_labels" not in words[again.word_id(1)]


@pytest.mark.domain("receipt")
@pytest.mark.invariant(4)
def test_a_deleted_receipt_leaves_both_snapshots(pipeline: Pipeline) -> None:
    arrive(pipeline)
    arrive(pipeline, Receipt("image-2"))
    pipeline.run()
    pipeline.ingest(pipeline.remove(*RECEIPT.items()))
    pipeline.run()
    kept = Receipt("image-2")
    assert set(pipeline.embeddings("words")) == {kept.word_id(word) for word in range(1, 5)}
    assert set(pipeline.embeddings("lines")) == {kept.line_id(1)}


def test_a_lost_race_for_head_is_applied_again_on_the_new_head(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """An operator needs no lease, so no token of theirs is younger: the compare-and-swap alone."""
    arrive(pipeline)
    pipeline.run()
    pipeline.ingest(pipeline.put(RECEIPT.label(2, "DATE", "VALID")))
    apply = pipeline.handler("apply_updates")
    raced: list[bool] = []

    def apply_then_lose(event: dict[str, Any], context: Any) -> dict[str, Any]:
        answer = apply(event, context)
        if not raced:
            raced.append(True)
            operate(pipeline, tmp_path / "operator")
        return answer

    pipeline.handlers["apply_updates"] = apply_then_lose
    assert pipeline.run(execution="ours").outcomes[0] == {"words": "applied"}
    words = pipeline.embeddings("words")
    assert words[RECEIPT.word_id(2)]["valid_labels"] == ",DATE,"
    assert words[RECEIPT.word_id(1)]["operator"] == "was here"


def operate(pipeline: Pipeline, root: Path) -> None:
    """Publish a change of an operator's, as a rollback would: without the lease."""
    store = SnapshotStore(Objects(pipeline.aws.s3, BUCKET), "words")
    with open_workspace(store, root) as workspace:
        words = workspace.client.get_collection("words", embedding_function=None)
        words.update(ids=[RECEIPT.word_id(1)], metadatas=[{"operator": "was here"}])
        publish_unleased(store, workspace.stage("operator", 0, None, {}))
