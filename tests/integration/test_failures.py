"""What fails, what is poison and what must wait: each record has a place, and a reason."""

import json
from typing import Any

import pytest

from instep.errors import SnapshotCorrupt, StorageUnavailable
from instep.settlement import MAX_ATTEMPTS
from tests.support.arrivals import RECEIPT, arrive, queued, run_item
from tests.support.aws import LOCKS
from tests.support.pipeline import FunctionFailed, Pipeline
from tests.support.receipts import Receipt


@pytest.mark.domain("bad-record", "wrong-acknowledged")
@pytest.mark.invariant(1)
def test_poison_goes_to_the_dlq_with_its_reason_and_the_rest_goes_on(pipeline: Pipeline) -> None:
    arrive(pipeline)
    pipeline.aws.sqs.send_message(QueueUrl=pipeline.aws.inbox_url, MessageBody="no json")
    broken = {"Records": [{"eventName": "INSERT", "dynamodb": "broken"}]}
    pipeline.aws.sqs.send_message(QueueUrl=pipeline.aws.inbox_url, MessageBody=json.dumps(broken))
    run = pipeline.run(execution="with-poison")
    assert run.succeeded, run.cause
    assert run.output["rejected"] == 2
    assert len(pipeline.embeddings("words")) == 4
    assert queued(pipeline) == (0, 0)
    rejected = pipeline.rejected()
    assert {one["execution"] for one in rejected} == {"with-poison"}
    assert all(one["reason"] and one["message_id"] for one in rejected)
    assert broken["Records"][0] in [one["record"] for one in rejected]


@pytest.mark.invariant(1)
def test_ingest_puts_what_it_cannot_read_into_the_dlq_itself(pipeline: Pipeline) -> None:
    good = pipeline.put(RECEIPT.label(1, "TOTAL", "VALID"))
    bad: dict[str, Any] = {"eventName": "INSERT", "dynamodb": {"Keys": 7}}
    answer = pipeline.ingest([bad, *good])
    assert answer == {"queued": 1, "rejected": 1}
    (rejected,) = pipeline.rejected()
    assert rejected["record"] == bad
    assert rejected["execution"] == "ingest"
    assert rejected["reason"]


@pytest.mark.domain("run-failed", "wrong-states")
@pytest.mark.invariant(1)
def test_only_the_failing_collections_messages_come_back(pipeline: Pipeline) -> None:
    arrive(pipeline)
    pipeline.fail("apply_updates", SnapshotCorrupt("words", "a pack is gone"), collection="words")
    run = pipeline.run()
    assert not run.succeeded
    assert run.outcomes == [{"lines": "applied", "words": "failed"}]
    assert "words" in run.cause
    assert "SnapshotCorrupt" in run.cause
    assert "`instep" in run.cause
    assert len(run.cause) <= 1000
    assert len(pipeline.embeddings("lines")) == 1
    assert pipeline.embeddings("words") == {}
    states = run_item(pipeline)
    assert (states["lines_state"], states["words_state"]) == ("COMPLETED", "PENDING")
    assert queued(pipeline) == (1, 0)
    assert pipeline.run().outcomes == [{"words": "applied"}]
    assert len(pipeline.embeddings("words")) == 4
    assert run_item(pipeline)["words_state"] == "COMPLETED"


@pytest.mark.domain("run-failed")
@pytest.mark.invariant(1)
def test_a_collection_that_always_fails_ends_in_the_dlq_with_its_error(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("instep.settlement.RETRY_DELAYS", (0, 0, 0, 0))
    arrive(pipeline)
    error = SnapshotCorrupt("words", "a pack is gone")
    pipeline.fail("apply_updates", error, collection="words", times=MAX_ATTEMPTS)
    runs = [pipeline.run() for _ in range(MAX_ATTEMPTS)]
    assert not any(run.succeeded for run in runs)
    assert run_item(pipeline)["words_state"] == "FAILED"
    assert "a pack is gone" in run_item(pipeline)["words_error"]
    assert queued(pipeline) == (0, 0)
    rejected = pipeline.rejected()
    assert len(rejected) >= 3  # metadata, label, run
    for one in rejected:
        assert one["attempts"] == str(MAX_ATTEMPTS)
        assert one["collection"] == "words"
        assert "SnapshotCorrupt" in one["reason"]
    assert run_item(pipeline)["lines_state"] == "COMPLETED"


def test_the_second_failure_waits_before_it_is_tried_again(pipeline: Pipeline) -> None:
    pipeline.ingest(pipeline.put(RECEIPT.label(1, "TOTAL", "VALID")))
    pipeline.fail("apply_updates", StorageUnavailable("S3 is down"), times=2)
    pipeline.run()
    pipeline.run()
    attributes = pipeline.aws.sqs.get_queue_attributes(
        QueueUrl=pipeline.aws.inbox_url, AttributeNames=["ApproximateNumberOfMessagesDelayed"]
    )["Attributes"]
    assert attributes == {"ApproximateNumberOfMessagesDelayed": "1"}


def lease_held_by(pipeline: Pipeline, collection: str, owner: str) -> None:
    asked = {"collection": collection, "execution": owner, "request": f"{owner} {collection}"}
    pipeline.invoke("acquire_lock", asked)


@pytest.mark.domain("wrong-count")
@pytest.mark.invariant(1)
def test_a_busy_lease_defers_and_the_messages_are_back_at_once(pipeline: Pipeline) -> None:
    arrive(pipeline)
    for collection in ("lines", "words"):
        lease_held_by(pipeline, collection, "another")
    run = pipeline.run()
    assert run.succeeded, run.cause
    assert run.outcomes == [{"lines": "deferred", "words": "deferred"}]
    assert run.output["deferred"] > 0
    assert queued(pipeline) == (1, 0)
    assert run_item(pipeline)["words_state"] == "PENDING"
    (first, *_) = pipeline.visible()
    assert first.get("attempts", "0") == "0"


@pytest.mark.invariant(1)
def test_one_deferred_collection_comes_back_alone_and_no_attempt_is_counted(
    pipeline: Pipeline,
) -> None:
    arrive(pipeline)
    lease_held_by(pipeline, "words", "another")
    assert pipeline.run().outcomes == [{"lines": "applied", "words": "deferred"}]
    returned = pipeline.visible()
    assert {(one["collection"], one["attempts"]) for one in returned} == {("words", "0")}


@pytest.mark.invariant(1)
def test_a_rejected_delta_ends_its_run_and_nothing_else(pipeline: Pipeline) -> None:
    arrive(pipeline)
    hollow = Receipt("image-2")
    pipeline.ingest(pipeline.put(*hollow.items(), hollow.run()))  # nothing lies at its prefixes
    run = pipeline.run()
    assert run.succeeded, run.cause
    assert len(pipeline.embeddings("words")) == 4
    item = run_item(pipeline, hollow)
    assert (item["lines_state"], item["words_state"]) == ("FAILED", "FAILED")
    assert run_item(pipeline)["words_state"] == "COMPLETED"
    assert {one["collection"] for one in pipeline.rejected()} == {"lines", "words"}


@pytest.mark.invariant(1)
def test_a_bus_that_refuses_does_not_send_the_batch_again(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENT_BUS_NAME", "no-such-bus")
    answer = pipeline.ingest(pipeline.put(RECEIPT.label(1, "TOTAL", "VALID")))
    assert answer["queued"] == 1
    assert queued(pipeline) == (1, 0)
    assert "flipped_at" not in pipeline.aws.dynamodb.scan(TableName=LOCKS)["Items"][0]


@pytest.mark.invariant(1)
def test_a_parse_that_fails_after_draining_hands_everything_back(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(pipeline)

    def no_storage(*_: Any, **__: Any) -> None:
        raise StorageUnavailable("S3 is down")

    monkeypatch.setattr("instep.objects.Objects.put", no_storage)
    with pytest.raises(FunctionFailed, match="StorageUnavailable"):
        pipeline.run()
    assert queued(pipeline) == (1, 0)
