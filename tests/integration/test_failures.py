"""What fails, what is poison and what must wait: each record has a place, and a reason."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from instep.errors import SnapshotCorrupt, StorageUnavailable
from instep.flow.pace import BUSY_DELAYS, STUCK_DELAYS
from instep.flow.runner import RunnerTable
from instep.flow.settlement import MAX_ATTEMPTS, RETRY_DELAYS
from receipt_chroma.compaction.deltas import DeltaSource
from tests.support.arrivals import (
    RECEIPT,
    arrive,
    assert_green,
    one_round,
    queued,
    run_item,
    starts,
)
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
    assert run.output["tally"]["rejected"] == 2
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
    outcomes, state = one_round(pipeline, "fails")
    assert outcomes == {"lines": "applied", "words": "failed"}
    assert (state["next"], state["tally"]["stuck"]) == ("look", 1)
    assert "words" in state["tally"]["cause"]
    assert "SnapshotCorrupt" in state["tally"]["cause"]
    assert "`instep" in state["tally"]["cause"]
    assert len(state["tally"]["cause"]) <= 1000
    assert len(pipeline.embeddings("lines")) == 1
    assert pipeline.embeddings("words") == {}
    states = run_item(pipeline)
    assert (states["lines_state"], states["words_state"]) == ("COMPLETED", "PENDING")
    pipeline.aws.outlast_visibility()
    assert pipeline.run(execution="fails").outcomes == [{"words": "applied"}]
    assert len(pipeline.embeddings("words")) == 4
    assert run_item(pipeline)["words_state"] == "COMPLETED"


@pytest.mark.invariant(1)
def test_a_collection_that_failed_is_tried_again_by_the_same_run_which_ends_red(
    pipeline: Pipeline,
) -> None:
    arrive(pipeline)
    pipeline.fail("apply_updates", SnapshotCorrupt("words", "a pack is gone"), collection="words")
    run = pipeline.run()
    assert run.outcomes == [{"lines": "applied", "words": "failed"}, {"words": "applied"}]
    assert not run.succeeded
    assert "a pack is gone" in run.cause
    assert len(pipeline.embeddings("words")) == 4


@pytest.mark.domain("wrong-count")
@pytest.mark.invariant(1)
def test_a_collection_that_cannot_open_costs_its_messages_nothing_however_long_it_takes(
    pipeline: Pipeline,
) -> None:
    arrive(pipeline)
    runs = 2 * MAX_ATTEMPTS
    error = SnapshotCorrupt("words", "a pack is gone")
    pipeline.fail("apply_updates", error, collection="words", times=runs * len(STUCK_DELAYS))
    for _ in range(runs):
        run = pipeline.run()
        assert not run.succeeded
        assert "a pack is gone" in run.cause
        assert run_item(pipeline)["words_state"] == "PENDING"
        pipeline.aws.outlast_visibility()
    assert pipeline.rejected() == []
    assert run_item(pipeline)["lines_state"] == "COMPLETED"
    assert_green(pipeline.run())
    assert len(pipeline.embeddings("words")) == 4
    assert run_item(pipeline)["words_state"] == "COMPLETED"


def unreachable(patch: pytest.MonkeyPatch) -> None:
    """No delta can be read for now: an own failure of every run, and of nothing else."""

    def down(*_: Any, **__: Any) -> None:
        raise StorageUnavailable("S3 is down")

    patch.setattr(DeltaSource, "find", down)


@pytest.mark.domain("run-failed")
@pytest.mark.invariant(1)
def test_what_always_fails_itself_ends_in_the_dlq_with_its_error_and_harms_nothing_else(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreachable(monkeypatch)
    arrive(pipeline)
    first, second = pipeline.run(), pipeline.run()  # which goes on after fifty looks
    assert not first.succeeded
    assert [*first.outcomes, *second.outcomes] == (
        [{"lines": "applied", "words": "applied"}] * MAX_ATTEMPTS
    )
    began, started = (
        datetime.fromisoformat(text) for text in (second.output["began"], first.output["started"])
    )
    assert began - started >= timedelta(seconds=sum(RETRY_DELAYS))
    assert run_item(pipeline)["words_state"] == "FAILED"
    assert "S3 is down" in run_item(pipeline)["words_error"]
    assert queued(pipeline) == (0, 0)
    rejected = pipeline.rejected()
    assert {one["collection"] for one in rejected} == {"lines", "words"}
    for one in rejected:
        assert one["record"]["dynamodb"]["Keys"]["SK"] == RECEIPT.run()["SK"]
        assert one["attempts"] == str(MAX_ATTEMPTS)
        assert "StorageUnavailable" in one["reason"]


@pytest.mark.invariant(1, 7)
def test_what_failed_twice_is_waited_for_inside_the_run(pipeline: Pipeline) -> None:
    pipeline.ingest(pipeline.put(RECEIPT.label(1, "TOTAL", "VALID")))
    pipeline.fail("apply_updates", StorageUnavailable("S3 is down"), times=2)
    run = pipeline.run()
    assert run.outcomes == [{"words": "failed"}] * 2 + [{"words": "applied"}]
    began, started = (datetime.fromisoformat(run.output[name]) for name in ("began", "started"))
    assert began - started > timedelta(seconds=sum(STUCK_DELAYS[:2]))
    assert queued(pipeline) == (0, 0)


def lease_held_by(pipeline: Pipeline, collection: str, owner: str) -> None:
    asked = {"collection": collection, "execution": owner, "request": f"{owner} {collection}"}
    pipeline.invoke("acquire_lock", asked)


@pytest.mark.domain("wrong-count")
@pytest.mark.invariant(1, 7)
def test_a_busy_lease_is_waited_for_inside_the_run(pipeline: Pipeline) -> None:
    arrive(pipeline)
    for collection in ("lines", "words"):
        lease_held_by(pipeline, collection, "another")  # for a minute
    run = pipeline.run()
    assert run.succeeded, run.cause
    *before, last = run.outcomes
    assert before == [{"lines": "deferred", "words": "deferred"}] * len(before)
    assert before
    assert last == {"lines": "applied", "words": "applied"}
    assert run.output["tally"]["deferred"] > 0
    assert queued(pipeline) == (0, 0)


@pytest.mark.invariant(1)
def test_a_deferred_message_comes_back_as_it_was(pipeline: Pipeline) -> None:
    arrive(pipeline)
    for collection in ("lines", "words"):
        lease_held_by(pipeline, collection, "another")
    outcomes, _ = one_round(pipeline, "first")
    assert outcomes == {"lines": "deferred", "words": "deferred"}
    assert pipeline.aws.returning_in() == [BUSY_DELAYS[0]]
    assert run_item(pipeline)["words_state"] == "PENDING"
    pipeline.aws.outlast_visibility()
    (first, *_) = pipeline.visible()
    assert first.get("attempts", "0") == "0"


@pytest.mark.invariant(1)
def test_one_deferred_collection_comes_back_alone_and_no_attempt_is_counted(
    pipeline: Pipeline,
) -> None:
    arrive(pipeline)
    lease_held_by(pipeline, "words", "another")
    outcomes, _ = one_round(pipeline, "first")
    assert outcomes == {"lines": "applied", "words": "deferred"}
    pipeline.aws.outlast_visibility()
    returned = pipeline.visible()
    assert {(one["collection"], one["attempts"]) for one in returned} == {("words", "0")}


@pytest.mark.domain("bad-record")
@pytest.mark.invariant(1)
def test_poison_beside_what_waits_lies_in_the_dlq_once(pipeline: Pipeline) -> None:
    (label,) = pipeline.put(RECEIPT.label(1, "TOTAL", "VALID"))
    body = json.dumps({"Records": [label, "poison"]})
    pipeline.aws.sqs.send_message(QueueUrl=pipeline.aws.inbox_url, MessageBody=body)
    lease_held_by(pipeline, "words", "another")
    *before, last = pipeline.run().outcomes
    assert before == [{"words": "deferred"}] * len(before)
    assert (len(before) > 1, last) == (True, {"words": "applied"})
    assert [one["record"] for one in pipeline.rejected()] == ["poison"]
    assert queued(pipeline) == (0, 0)


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
def test_a_bus_that_refuses_has_the_batch_sent_again_and_announced_then(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody was told of would wait for the schedule, if another batch did not come."""
    records = pipeline.put(RECEIPT.label(1, "TOTAL", "VALID"))
    with monkeypatch.context() as patch:
        patch.setenv("EVENT_BUS_NAME", "no-such-bus")
        pipeline.restart("ingest")
        with pytest.raises(FunctionFailed, match="StorageUnavailable: announce"):
            pipeline.ingest(records)
    started = starts(pipeline)
    assert runner(pipeline).read().is_starting, "who is tried again has it to announce"
    pipeline.restart("ingest")
    pipeline.ingest(records)
    assert started() == 1
    assert runner(pipeline).read().is_starting
    assert queued(pipeline) == (2, 0)


def runner(pipeline: Pipeline) -> RunnerTable:
    return RunnerTable(pipeline.aws.dynamodb, LOCKS)


@pytest.mark.invariant(1)
def test_a_parse_that_fails_after_draining_hands_everything_back(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(pipeline)

    def no_storage(*_: Any, **__: Any) -> None:
        raise StorageUnavailable("S3 is down")

    monkeypatch.setattr("instep.aws.objects.Objects.put", no_storage)
    with pytest.raises(FunctionFailed, match="StorageUnavailable"):
        pipeline.run()
    assert queued(pipeline) == (1, 0)


@pytest.mark.domain("bad-record")
@pytest.mark.invariant(1)
def test_what_is_too_large_for_a_message_harms_itself_alone_wherever_it_is_met(
    pipeline: Pipeline,
) -> None:
    """Legal in the inbox, larger than a message once it is wrapped for the DLQ."""
    for body in ('"' * 1_000_000, json.dumps({"message": "領" * 300_000}, ensure_ascii=False)):
        pipeline.aws.sqs.send_message(QueueUrl=pipeline.aws.inbox_url, MessageBody=body)
    poison = pipeline.put(RECEIPT.metadata(merchant_name="shop"))[0]
    image = poison["dynamodb"]["NewImage"]
    image |= {"place_id": {"B": "AQ=="}, "raw_text": {"S": "\x00" * 390_000}}
    arrive(pipeline)
    answer = pipeline.ingest([poison, *pipeline.put(RECEIPT.label(2, "DATE", "VALID"))])
    assert answer == {"queued": 1, "rejected": 1}
    assert_green(pipeline.run())
    assert pipeline.embeddings("words")[RECEIPT.word_id(2)]["valid_labels"] == ",DATE,"
    rejected = {one["execution"]: one for one in pipeline.rejected()}
    assert rejected["ingest"]["record"]["dynamodb"]["Keys"] == poison["dynamodb"]["Keys"]
    assert "place_id" in rejected["ingest"]["reason"]
    assert queued(pipeline) == (0, 0)


@pytest.mark.domain("bad-record")
@pytest.mark.invariant(1)
@pytest.mark.parametrize("body", ["[" * 5_000, '{"Records":' + "[" * 5_000, "{" * 5_000])
def test_a_body_of_brackets_is_poison_and_no_more(pipeline: Pipeline, body: str) -> None:
    pipeline.aws.sqs.send_message(QueueUrl=pipeline.aws.inbox_url, MessageBody=body)
    arrive(pipeline)
    assert_green(pipeline.run())
    assert len(pipeline.embeddings("words")) == 4
    (rejected,) = pipeline.rejected()
    assert rejected["record"]["body"] == body
    assert "no JSON" in rejected["reason"]
