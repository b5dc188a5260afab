"""docs/domain.md, A delta: of all runs of a receipt the newest-created that has an id wins, and
what was merged is brought back when what it stands for is there again, and only then.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from instep.aws.objects import Objects
from instep.chroma import collection
from instep.difference import Changes
from instep.errors import StorageUnavailable
from receipt_demo.producer import write_delta
from receipt_dynamo_stream import StreamMessage
from tests.support.aws import BUCKET
from tests.support.items import Paper
from tests.support.metrics import Counts
from tests.support.tables import Cloud
from tests.unit.compaction.conftest import WIDTH, Apply

PAPER = Paper()
FIRST, SECOND, THIRD = (f"2026-01-01T00:00:0{second}+00:00" for second in range(3))
Vectors = Mapping[int, float]
Produce = Callable[..., StreamMessage]


@pytest.fixture
def produce(cloud: Cloud) -> Produce:
    """Write a run whose delta has these words (of line 1), each of one number; say so."""

    def call(run_id: str, vectors: Vectors, at: str = FIRST, **fields: Any) -> StreamMessage:
        cloud.put(PAPER.run(run_id, **fields))
        ids = [PAPER.word_id(1, word) for word in vectors]
        rows = [[number] * WIDTH for number in vectors.values()]
        prefix = f"words/delta/{run_id}"
        metadatas = [{"text": run_id} for _ in ids]
        write_delta(cloud.s3, BUCKET, prefix, "words", ids, rows, metadatas, [run_id] * len(ids))
        return PAPER.message("COMPACTION_RUN", "INSERT", run_id=run_id, at=at)

    return call


@pytest.fixture(autouse=True)
def receipt(cloud: Cloud) -> None:
    cloud.put(PAPER.receipt(), *(PAPER.word(1, word) for word in (1, 2, 3)))


def held(words: Any) -> dict[int, float]:
    """Return the words that have a vector, and its number."""
    found = words.get(include=["embeddings"])
    rows = zip(found["ids"], found["embeddings"].tolist(), strict=True)
    return {int(id_[-5:]): vector[0] for id_, vector in rows}


def settle(cloud: Cloud, run_id: str, state: str = "COMPLETED", **fields: str) -> None:
    """Write to a run what SettleBatch writes after publish."""
    run = cloud.item(PAPER.run(run_id))
    assert run is not None
    more = {f"words_{name}": {"N": value} for name, value in fields.items()}
    cloud.put({**run, "words_state": {"S": state}, **more})


def expire(cloud: Cloud, run_id: str) -> None:
    cloud.s3.delete_object(Bucket=BUCKET, Key=f"words/delta/{run_id}/delta.tar.gz")


def arrived(kind: str = "RECEIPT") -> StreamMessage:
    ids: dict[str, Any] = {} if kind == "RECEIPT" else {"line_id": 1, "word_id": 1}
    return PAPER.message(kind, "INSERT", collections=("words",), **ids)


@pytest.mark.domain("vectors-order")
def test_an_older_run_redelivered_leaves_newer_vectors_alone(
    cloud: Cloud, words: Any, apply: Apply, produce: Produce
) -> None:
    old, new = produce("a-old", {1: 1, 2: 1}, FIRST), produce("b-new", {2: 2, 3: 2}, SECOND)
    apply(new)
    settle(cloud, "b-new")
    result = apply(old)
    assert held(words) == {1: 1, 2: 2, 3: 2}
    assert [merge.merged_vectors for merge in result.delta_merge_results] == [2]


@pytest.mark.parametrize("backwards", [False, True])
def test_of_two_in_one_batch_the_newest_created_wins_whatever_comes_first(
    words: Any, apply: Apply, produce: Produce, backwards: bool
) -> None:
    both = [produce("b-old", {1: 1, 2: 1}, FIRST), produce("a-new", {2: 2, 3: 2}, SECOND)]
    apply(*(both[::-1] if backwards else both))
    assert held(words) == {1: 1, 2: 2, 3: 2}


@pytest.mark.domain("vectors-order")
def test_of_one_instant_the_run_id_decides_and_no_time_counts_as_oldest(
    cloud: Cloud, words: Any, apply: Apply, produce: Produce
) -> None:
    for run_id, number, at in (("b", 2, FIRST), ("a", 1, FIRST), ("c", 3, "")):
        apply(produce(run_id, {1: number}, at))
        settle(cloud, run_id)
    assert held(words) == {1: 2}


@pytest.mark.domain("run-announced")
def test_a_run_keeps_the_time_it_was_first_announced_at(
    cloud: Cloud, apply: Apply, produce: Produce
) -> None:
    apply(produce("a", {1: 1}, SECOND))
    assert (cloud.item(PAPER.run("a")) or {})["words_announced_at"]["S"] == SECOND
    again = PAPER.message("COMPACTION_RUN", "INSERT", run_id="a", at=THIRD)
    apply(again)
    assert (cloud.item(PAPER.run("a")) or {})["words_announced_at"]["S"] == SECOND


def test_a_newer_run_whose_delta_has_expired_leaves_only_gaps_to_fill(
    cloud: Cloud, words: Any, apply: Apply, produce: Produce
) -> None:
    old, new = produce("a", {1: 1, 2: 1}, FIRST), produce("b", {2: 2}, SECOND)
    apply(new)
    settle(cloud, "b")
    expire(cloud, "b")
    result = apply(old)
    assert (held(words), result.failures) == ({1: 1, 2: 2}, [])


@pytest.mark.domain("run-merged")
def test_vectors_of_a_run_that_failed_for_some_records_count_too(
    cloud: Cloud, words: Any, apply: Apply, produce: Produce
) -> None:
    old, new = produce("a", {1: 1}, FIRST), produce("b", {1: 2}, SECOND)
    apply(new)
    settle(cloud, "b", "FAILED", merged_vectors="1")
    apply(old)
    assert held(words) == {1: 2}


def test_a_run_that_failed_whole_has_brought_nothing(
    words: Any, apply: Apply, produce: Produce
) -> None:
    old = produce("a", {1: 1}, FIRST)
    produce("b", {1: 2}, SECOND, words_state="FAILED", words_announced_at=SECOND)
    apply(old)
    assert held(words) == {1: 1}


@pytest.mark.domain("run-completed")
def test_a_completed_run_is_not_merged_again_but_for_what_is_missing(
    cloud: Cloud, words: Any, apply: Apply, produce: Produce
) -> None:
    old, new = produce("a", {1: 1, 2: 1}, FIRST), produce("b", {2: 2}, SECOND)
    for message, run_id in ((old, "a"), (new, "b")):
        apply(message)
        settle(cloud, run_id)
    before = words.get(include=["metadatas", "documents"])
    result = apply(old)
    assert (result.delta_merge_count, result.failures, held(words)) == (0, [], {1: 1, 2: 2})
    assert words.get(include=["metadatas", "documents"]) == before
    words.delete(ids=[PAPER.word_id(1, 1), PAPER.word_id(1, 2)])
    assert apply(old).delta_merge_count == 0
    assert held(words) == {1: 1, 2: 2}
    assert (cloud.item(PAPER.run("a")) or {})["words_state"]["S"] == "COMPLETED"


@pytest.mark.domain("vectors-come-back")
@pytest.mark.parametrize("kind", ["RECEIPT", "RECEIPT_WORD"])
def test_what_is_there_again_gets_the_newest_vector_that_a_merged_run_has(
    cloud: Cloud, words: Any, apply: Apply, produce: Produce, kind: str
) -> None:
    for run_id, vectors, at in (("a", {1: 1, 2: 1, 3: 1}, FIRST), ("b", {1: 2}, SECOND)):
        apply(produce(run_id, vectors, at))
        settle(cloud, run_id)
    words.delete(ids=[PAPER.word_id(1, word) for word in (1, 2)])
    words.update(ids=[PAPER.word_id(1, 3)], embeddings=[[9.0] * WIDTH])
    cloud.delete(PAPER.word(1, 2))
    result = apply(arrived(kind))
    assert held(words) == {1: 2, 3: 9}  # the second word is still gone, the third was not missing
    assert (result.failures, result.delta_merge_count) == ([], 0)


@pytest.mark.domain("vectors-come-back", "bounded-reads")
def test_an_arrival_without_a_merged_run_costs_one_query(
    cloud: Cloud, words: Any, apply: Apply, produce: Produce
) -> None:
    produce("a", {1: 1})
    calls: list[str] = []
    for client in (cloud.dynamodb, cloud.s3):
        client.meta.events.register(
            "before-call", lambda model, **_: calls.append(model.name), unique_id="listen"
        )
    apply(arrived(), arrived("RECEIPT_WORD"))
    for client in (cloud.dynamodb, cloud.s3):
        client.meta.events.unregister("before-call", unique_id="listen")
    assert calls == ["Query"]
    assert held(words) == {}


@pytest.mark.domain("vectors-missing")
def test_a_merged_run_whose_delta_is_gone_is_told_and_no_failure(
    cloud: Cloud, words: Any, apply: Apply, produce: Produce, caplog: pytest.LogCaptureFixture
) -> None:
    produce("a", {1: 1}, words_state="COMPLETED", words_announced_at=FIRST)
    produce("b", {2: 2}, words_state="COMPLETED", words_announced_at=SECOND)
    expire(cloud, "b")
    metrics = Counts()
    result = apply(arrived(), metrics=metrics)
    assert result.failures == []
    assert held(words) == {1: 1}
    assert metrics["CompactionVectorsMissing"] == 1
    (told,) = [one for one in caplog.records if one.msg == "Vectors cannot be brought back"]
    assert (told.__dict__["run_id"], told.__dict__["receipt_id"]) == ("b", 1)


def test_what_cannot_be_read_now_is_waited_for(
    words: Any, apply: Apply, produce: Produce, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 throttles the newer run's delta: neither the older run nor the arrival may go ahead."""
    old = produce("a", {1: 1, 2: 1}, FIRST)
    produce("b", {2: 2}, SECOND, words_state="COMPLETED", words_announced_at=SECOND)
    get = Objects.get

    def throttled(objects: Objects, key: str, limit: int | None = None) -> Any:
        if "/b/" in key:
            raise StorageUnavailable("slow down")
        return get(objects, key, limit)

    with monkeypatch.context() as patch:
        patch.setattr(Objects, "get", throttled)
        failures = apply(old, arrived()).failures
    assert sorted((one.index, one.error, one.final) for one in failures) == [
        (0, "StorageUnavailable", False),
        (1, "StorageUnavailable", False),
    ]
    assert held(words) == {}
    assert apply(old, arrived()).failures == []
    assert held(words) == {1: 1, 2: 2}


@pytest.mark.domain("delta-notice")
def test_a_notice_that_names_no_run_counts_as_older_than_any(
    cloud: Cloud, words: Any, apply: Apply, produce: Produce
) -> None:
    apply(produce("a", {1: 1}, FIRST))
    settle(cloud, "a")
    produce("told", {1: 8, 2: 8})
    cloud.delete(PAPER.run("told"))
    notice = PAPER.message(
        "COMPACTION_RUN",
        "INSERT",
        collections=("words",),
        at=THIRD,
        delta_s3_prefix="words/delta/told",
    )
    result = apply(notice)
    assert held(words) == {1: 1, 2: 8}
    assert [merge.merged_vectors for merge in result.delta_merge_results] == [2]


def test_many_deltas_are_written_in_one_add(
    words: Any, apply: Apply, produce: Produce, monkeypatch: pytest.MonkeyPatch
) -> None:
    adds: list[int] = []
    write = collection.apply

    def heard(target: Any, changes: Changes) -> Any:
        adds.append(len(changes.adds))
        return write(target, changes)

    monkeypatch.setattr(collection, "apply", heard)
    runs = [
        produce(f"run-{at}", {at % 3 + 1: at}, f"2026-01-01T00:00:{at:02}Z") for at in range(40)
    ]
    apply(*runs)
    assert [adding for adding in adds if adding] == [3]
    assert held(words) == {1: 39, 2: 37, 3: 38}
