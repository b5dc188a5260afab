"""The handlers together: what is in the table ends in the head snapshots, whatever the order."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from instep.errors import SnapshotCorrupt, StorageUnavailable
from instep.objects import Objects
from instep.settlement import MAX_ATTEMPTS
from instep.snapshot.publish import publish_unleased
from instep.snapshot.store import SnapshotStore
from instep.snapshot.workspace import open_workspace
from instep.wake import WakeFlag
from tests.support.aws import BUCKET, ENTITIES, LOCKS
from tests.support.pipeline import FunctionFailed, Pipeline, Run
from tests.support.receipts import Receipt

RECEIPT = Receipt("image-1")


def arrive(pipeline: Pipeline, receipt: Receipt = RECEIPT, **merchant: str) -> None:
    """Write a receipt with its deltas, its metadata and one label, and ingest the changes."""
    receipt.upload(pipeline.aws.s3, BUCKET)
    merchant = merchant or {"merchant_name": "corner shop", "place_id": "place-1"}
    changes = pipeline.put(
        *receipt.items(),
        receipt.metadata(**merchant),
        receipt.label(1, "TOTAL", "VALID"),
        receipt.run(),
    )
    pipeline.ingest(changes)


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
    body = pipeline.aws.s3.get_object(Bucket=BUCKET, Key=state["deliveries"]["key"])["Body"]
    for held in json.load(body)["held"]:
        pipeline.aws.sqs.change_message_visibility(
            QueueUrl=pipeline.aws.inbox_url, ReceiptHandle=held["handle"], VisibilityTimeout=0
        )


def queued(pipeline: Pipeline) -> tuple[int, int]:
    """Return visible and in-flight messages."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = pipeline.aws.sqs.get_queue_attributes(
        QueueUrl=pipeline.aws.inbox_url, AttributeNames=names
    )["Attributes"]
    return int(found[names[0]]), int(found[names[1]])


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
    counters = {"round": 0, "failures": 0, "deferred": 0, "rejected": 0}
    state = pipeline.parse("dies", {}, counters)
    for item in state["collections"]:
        pipeline.collection("dies", item)
    head, words = versions(pipeline), pipeline.embeddings("words")
    assert run_item(pipeline)["words_state"] == "PROCESSING"
    come_back(pipeline, state)
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
    pipeline.invoke("acquire_lock", {"collection": collection, "execution": owner})


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


def wrapped(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"messageId": f"m{at}", "body": json.dumps({"Records": [record]}), "messageAttributes": {}}
        for at, record in enumerate(records)
    ]


def bodies(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"messageId": f"m{at}", "body": json.dumps(one)} for at, one in enumerate(records)]


@pytest.mark.domain("mixed-list")
@pytest.mark.invariant(4)
@pytest.mark.parametrize("shape", [list, wrapped, bodies])
def test_console_input_gives_the_snapshot_that_the_queue_gives(
    pipeline: Pipeline, shape: Any
) -> None:
    RECEIPT.upload(pipeline.aws.s3, BUCKET)
    changes = pipeline.put(*RECEIPT.items(), RECEIPT.metadata(merchant_name="shop"), RECEIPT.run())
    mixed = [*shape(changes[:-1]), changes[-1]]
    run = pipeline.run({"Records": mixed})
    assert run.succeeded, run.cause
    assert len(pipeline.embeddings("words")) == 4
    assert pipeline.embeddings("lines")[RECEIPT.line_id(1)]["merchant_name"] == "Shop"
    assert queued(pipeline) == (0, 0)


@pytest.mark.invariant(1)
def test_console_records_that_fail_are_kept_in_the_inbox_and_poison_in_the_dlq(
    pipeline: Pipeline,
) -> None:
    (record,) = pipeline.put(RECEIPT.label(1, "TOTAL", "VALID"))
    pipeline.fail("apply_updates", StorageUnavailable("S3 is down"))
    run = pipeline.run({"Records": [record, "poison", {"body": "no json"}]})
    assert not run.succeeded
    assert run.output["rejected"] == 2
    (kept,) = pipeline.visible()
    assert kept["record"]["dynamodb"]["Keys"] == record["dynamodb"]["Keys"]
    assert (kept["collection"], kept["attempts"]) == ("words", "1")
    assert {str(one["record"]) for one in pipeline.rejected()} == {"poison", "{'body': 'no json'}"}


@pytest.mark.parametrize("content", ["drain", [], {"records": []}, {"Records": {}}, "x" * 200_000])
def test_input_of_no_accepted_shape_fails_in_parse_batch(pipeline: Pipeline, content: Any) -> None:
    with pytest.raises(FunctionFailed, match=r"InputRejected: (the input|`Records`)"):
        pipeline.run(content)


def test_the_input_counts_in_the_first_round_only_and_the_queue_is_drained_next(
    pipeline: Pipeline,
) -> None:
    arrive(pipeline)
    (record,) = pipeline.put(RECEIPT.label(2, "DATE", "VALID"))
    run = pipeline.run({"Records": [record]})
    assert run.outcomes == [{"words": "applied"}, {"lines": "applied", "words": "applied"}]
    assert run.output["round"] == 2


def starts(pipeline: Pipeline) -> Callable[[], int]:
    """Return what counts the starts announced from now on."""
    events = pipeline.aws.events
    events.create_archive(
        ArchiveName="seen", EventSourceArn="arn:aws:events:us-east-1:123456789012:event-bus/default"
    )
    return lambda: int(events.describe_archive(ArchiveName="seen")["EventCount"])


def test_only_the_first_of_many_stream_batches_starts_an_execution(pipeline: Pipeline) -> None:
    started = starts(pipeline)
    changes = pipeline.put(*(RECEIPT.label(1, f"L{number}", "VALID") for number in range(3)))
    for change in changes:
        pipeline.ingest([change])
    assert started() == 1
    pipeline.run()
    pipeline.ingest(pipeline.put(RECEIPT.label(1, "L9", "VALID")))
    assert started() == 2


@pytest.mark.invariant(1)
def test_what_is_queued_during_a_run_is_its_next_round_and_starts_no_other(
    pipeline: Pipeline,
) -> None:
    arrive(pipeline)
    started = starts(pipeline)
    late = pipeline.put(RECEIPT.label(2, "DATE", "VALID"))
    upload = pipeline.handler("upload_snapshot")

    def upload_meanwhile(event: dict[str, Any], context: Any) -> dict[str, Any]:
        pipeline.ingest([late.pop()] if late else [])
        return upload(event, context)

    pipeline.handlers["upload_snapshot"] = upload_meanwhile
    run = pipeline.run()
    assert (len(run.outcomes), started()) == (2, 0)
    assert pipeline.embeddings("words")[RECEIPT.word_id(2)]["valid_labels"] == ",DATE,"


@pytest.mark.invariant(1)
def test_what_comes_as_a_run_looks_for_the_last_time_is_seen_or_starts_another(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(pipeline)
    started = starts(pipeline)
    late = pipeline.put(RECEIPT.label(1, "A", "VALID"), RECEIPT.label(2, "B", "VALID"))
    clear = WakeFlag.clear

    def clear_between_two_changes(flag: WakeFlag) -> None:
        pipeline.ingest(late[:1])
        clear(flag)
        pipeline.ingest(late[1:])
        late.clear()

    monkeypatch.setattr(WakeFlag, "clear", clear_between_two_changes)
    pipeline.run()
    assert started() == 1
    words = pipeline.embeddings("words")
    assert [words[RECEIPT.word_id(at)]["valid_labels"] for at in (1, 2)] == [",A,TOTAL,", ",B,"]


def test_what_nothing_needs_is_neither_queued_nor_announced(pipeline: Pipeline) -> None:
    changes = pipeline.put(*RECEIPT.items())
    assert pipeline.ingest(changes) == {"queued": 0, "rejected": 0}
    assert pipeline.aws.dynamodb.scan(TableName=LOCKS)["Items"] == []


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
