"""A whole table through the machine: what was there before, what was rolled back or damaged, and
nothing twice.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from instep.aws.objects import Objects
from instep.chroma.collection import read
from instep.flow import sync
from instep.flow.lease import LeaseTable
from instep.snapshot.acts.publish import publish
from instep.snapshot.acts.workspace import open_workspace
from instep.snapshot.copy.store import SnapshotStore
from tests.support.arrivals import RECEIPT, arrive, assert_green, queued, run_item, versions
from tests.support.aws import BUCKET, LOCKS
from tests.support.pipeline import FunctionFailed, Pipeline
from tests.support.receipts import Receipt

OTHER = Receipt("image-2", words=6)
MERCHANT = {"merchant_name": "corner shop"}


def was_there_before(pipeline: Pipeline, *receipts: Receipt) -> None:
    """A table and its deltas of which the stream said nothing."""
    for receipt in receipts:
        receipt.upload(pipeline.aws.s3, BUCKET)
        label = receipt.label(1, "TOTAL", "VALID")
        pipeline.put(*receipt.items(), receipt.metadata(**MERCHANT), label, receipt.run())


def synced(pipeline: Pipeline, **asked: Any) -> None:
    assert_green(pipeline.run({"Sync": asked}))
    assert_green(pipeline.run())
    assert queued(pipeline) == (0, 0)


def carried(pipeline: Pipeline) -> Mapping[str, Any]:
    return {name: pipeline.embeddings(name) for name in ("lines", "words")}


def damage(pipeline: Pipeline, tmp_path: Any) -> None:
    """Publish a version with metadata, ids and labels that nobody wrote into the table."""
    store = SnapshotStore(Objects(pipeline.aws.s3, BUCKET), "words")
    leases = LeaseTable(pipeline.aws.dynamodb, LOCKS, timedelta(minutes=5))
    lease = leases.acquire("words", "damage", "damage")
    with open_workspace(store, tmp_path / "damage") as workspace:
        words: Any = workspace.client.get_collection("words", embedding_function=None)
        words.update(
            ids=[RECEIPT.word_id(1), RECEIPT.word_id(2)],
            metadatas=[{"valid_labels": ",WRONG,"}, {"merchant_name": "Nobody"}],
        )
        words.delete(ids=[RECEIPT.word_id(3)])
        words.add(
            ids=[Receipt("surplus").word_id(1)],
            embeddings=[[1.0] * 8],
            metadatas=[{"text": "not in the table"}],
        )
        assert len(read(words)) == RECEIPT.words
        staged = workspace.stage("damage", lease.fencing_token, None, {})
    publish(store, staged, lease, leases)
    leases.release(lease)


@pytest.mark.invariant(4)
@pytest.mark.parametrize("segments", [1, 4])
def test_a_table_that_was_there_before_is_taken_in(pipeline: Pipeline, segments: int) -> None:
    """Runs that no signal will come for are merged, labels and merchants are looked up."""
    was_there_before(pipeline, RECEIPT, OTHER)
    synced(pipeline, segments=segments)
    words = pipeline.embeddings("words")
    assert len(words) == RECEIPT.words + OTHER.words
    assert {one["merchant_name"] for one in words.values()} == {"Corner Shop"}
    assert words[OTHER.word_id(1)]["valid_labels"] == ",TOTAL,"
    assert len(pipeline.embeddings("lines")) == 3
    assert run_item(pipeline)["words_state"] == "COMPLETED"
    assert pipeline.rejected() == []


def test_a_second_sync_writes_nothing_and_makes_no_version(pipeline: Pipeline) -> None:
    was_there_before(pipeline, RECEIPT)
    synced(pipeline)
    heads, before = versions(pipeline), carried(pipeline)
    assert set(heads) == {"lines/HEAD", "words/HEAD"}
    synced(pipeline)
    assert versions(pipeline) == heads
    assert carried(pipeline) == before


@pytest.mark.invariant(4)
def test_damage_is_repaired_all_of_it_and_nothing_else(pipeline: Pipeline, tmp_path: Any) -> None:
    was_there_before(pipeline, RECEIPT)
    synced(pipeline)
    whole, lines = carried(pipeline), versions(pipeline)["lines/HEAD"]
    damage(pipeline, tmp_path)
    assert carried(pipeline) != whole
    synced(pipeline)
    assert carried(pipeline) == whole
    assert versions(pipeline)["lines/HEAD"] == lines
    store = SnapshotStore(Objects(pipeline.aws.s3, BUCKET), "words")
    head = store.head()
    assert head is not None
    note = store.manifest(head.version).note
    assert (note["labels_updated"], note["metadata_updated"], note["deleted"]) == (1, 1, 1)


def test_one_collection_is_synced_and_the_other_left(pipeline: Pipeline) -> None:
    was_there_before(pipeline, RECEIPT)
    synced(pipeline, collections=["words"])
    assert set(versions(pipeline)) == {"words/HEAD"}
    assert len(pipeline.embeddings("words")) == RECEIPT.words


@pytest.mark.invariant(4)
def test_what_was_deleted_while_nobody_listened_is_removed(pipeline: Pipeline) -> None:
    arrive(pipeline)
    assert_green(pipeline.run())
    pipeline.remove(*RECEIPT.items()[2:4])  # two words; their stream records are lost
    synced(pipeline)
    assert set(pipeline.embeddings("words")) == {RECEIPT.word_id(3), RECEIPT.word_id(4)}


def test_it_waits_for_room_and_goes_on_behind_it(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "FULL", 0)
    monkeypatch.setattr(sync, "PAGE", 3)
    monkeypatch.setattr(sync, "PIECE", 3)
    was_there_before(pipeline, RECEIPT, OTHER)
    pipeline.ingest(pipeline.put(RECEIPT.label(2, "DATE", "VALID")))
    synced(pipeline, segments=2)
    words = pipeline.embeddings("words")
    assert len(words) == RECEIPT.words + OTHER.words
    assert words[RECEIPT.word_id(2)]["valid_labels"] == ",DATE,"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("function", ["sync_table", "parse_batch", "apply_updates", "settle_batch"])
def test_killed_and_started_again_it_is_complete(
    pipeline: Pipeline, function: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "PIECE", 5)
    monkeypatch.setattr(sync, "PAGE", 5)
    was_there_before(pipeline, RECEIPT)
    pipeline.fail(function, "Runtime.ExitError", after=after)
    for content in ({"Sync": {"segments": 1}}, None):
        try:
            pipeline.run(content, execution="dies")
        except FunctionFailed:
            pipeline.run({"Ended": "dies"})
    pipeline.aws.outlast_visibility()
    synced(pipeline)
    assert len(pipeline.embeddings("words")) == RECEIPT.words
    assert len(pipeline.embeddings("lines")) == 1
    assert pipeline.rejected() == []


def test_a_pending_run_whose_delta_is_gone_is_given_up_with_its_reason(pipeline: Pipeline) -> None:
    """It would be waited for for ever: nothing else tells of it (a table that was there before)."""
    old = RECEIPT.paper.run("ancient", lines_state="COMPLETED")
    pipeline.put(RECEIPT.paper.receipt(), old)
    pipeline.run({"Sync": {}})
    pipeline.run()
    item = pipeline.aws.dynamodb.get_item(
        TableName="entities", Key={"PK": old["PK"], "SK": old["SK"]}
    )["Item"]
    assert item["words_state"]["S"] == "FAILED"
    (letter,) = pipeline.rejected()
    assert letter["collection"] == "words"
    heads = versions(pipeline)
    synced(pipeline)
    assert pipeline.rejected() == [], "once is enough"
    assert versions(pipeline) == heads
