"""docs/domain.md, A delta: both forms, every prefix seen, every record written and verified."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import chromadb
import pytest

from instep.aws.objects import Objects
from instep.chroma import collection
from instep.chroma.foreign import records as foreign
from receipt_chroma.compaction.deltas import DeltaSource
from receipt_demo.producer import pack, write_delta, write_directory
from tests.support.aws import BUCKET
from tests.support.items import Paper
from tests.support.tables import Cloud
from tests.unit.compaction.conftest import WIDTH, Apply, carried, embed

PAPER = Paper()
Records = tuple[Sequence[str], list[list[float]], list[dict[str, Any]], list[str]]


def records(*ids: str, width: int = WIDTH) -> Records:
    """What a producer knows of these embeddings: identity, text, geometry and its own keys."""
    vectors = [[number + 0.25] * width for number in range(len(ids))]
    metadatas = [{"text": f"text {id_}", "x": 0.5, "receipt_id": 1, "tags": ["a"]} for id_ in ids]
    return ids, vectors, metadatas, [f"text {id_}" for id_ in ids]


def put_delta(
    cloud: Cloud, prefix: str, *ids: str, form: Any = "tar", bucket: str = BUCKET
) -> None:
    write_delta(cloud.s3, bucket, prefix, "words", *records(*ids), form=form)


@pytest.mark.domain("delta-archive", "delta-loose", "identity-fields")
@pytest.mark.parametrize("form", ["tar", "loose"])
def test_a_run_brings_its_records_with_current_truth_stamped_on(
    cloud: Cloud, words: Any, apply: Apply, form: str
) -> None:
    one, two = PAPER.word_id(1, 1), PAPER.word_id(1, 2)
    cloud.put(
        PAPER.receipt(),
        PAPER.run(),
        PAPER.word(1, 1),
        PAPER.word(1, 2),
        PAPER.metadata(merchant_name="costco"),
        PAPER.label(1, 2, "TOTAL", "VALID"),
    )
    put_delta(cloud, "words/delta/run-1/", one, two, form=form)
    result = apply(PAPER.run_message())
    assert [merge.merged_vectors for merge in result.delta_merge_results] == [2]
    assert carried(words, one) == {
        "image_id": PAPER.image,
        "receipt_id": 1,
        "line_id": 1,
        "word_id": 1,
        "text": f"text {one}",
        "x": 0.5,
        "tags": ["a"],
        "merchant_name": "Costco",
    }
    assert carried(words, two)["valid_labels_array"] == ["TOTAL"]
    found = words.get(ids=[two], include=["documents", "embeddings"])
    assert found["documents"] == [f"text {two}"]
    assert found["embeddings"][0].tolist() == [1.25] * WIDTH


def test_a_delta_captured_before_a_label_edit_is_corrected_as_it_is_merged(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    word = PAPER.word_id(1, 1)
    cloud.put(PAPER.receipt(), PAPER.run(), PAPER.word(1, 1))
    ids, vectors, metadatas, documents = records(word)
    stale = metadatas[0] | {"label_status": "validated", "valid_labels": ",OLD,", "place_id": "x"}
    write_delta(cloud.s3, BUCKET, "words/delta/run-1", "words", ids, vectors, [stale], documents)
    apply(PAPER.run_message())
    assert not carried(words, word).keys() & {"label_status", "valid_labels", "place_id"}


def test_a_record_whose_word_is_gone_is_not_resurrected(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    cloud.put(PAPER.receipt(), PAPER.run(), PAPER.word(1, 2))
    put_delta(cloud, "words/delta/run-1", PAPER.word_id(1, 1), PAPER.word_id(1, 2))
    assert apply(PAPER.run_message()).total_vectors_merged == 1
    assert words.get()["ids"] == [PAPER.word_id(1, 2)]


def test_a_redelivered_run_changes_nothing_more(cloud: Cloud, words: Any, apply: Apply) -> None:
    cloud.put(PAPER.receipt(), PAPER.run(), PAPER.word(1, 1))
    put_delta(cloud, "words/delta/run-1", PAPER.word_id(1, 1))
    apply(PAPER.run_message(), PAPER.run_message())
    before = words.get()
    apply(PAPER.run_message())
    assert words.get() == before


def test_a_run_that_is_gone_is_passed_over_and_not_resurrected(cloud: Cloud, apply: Apply) -> None:
    put_delta(cloud, "words/delta/run-1", PAPER.word_id(1, 1))
    result = apply(PAPER.run_message(words_delta_prefix="words/delta/run-1"))
    assert (result.delta_merge_count, result.has_errors) == (0, False)
    assert cloud.item(PAPER.run()) is None


@pytest.mark.domain("delta-empty")
def test_zero_ids_are_a_success(cloud: Cloud, apply: Apply) -> None:
    cloud.put(PAPER.receipt(), PAPER.run())
    put_delta(cloud, "words/delta/run-1")
    result = apply(PAPER.run_message())
    assert [merge.merged_vectors for merge in result.delta_merge_results] == [0]


@pytest.mark.domain("any-width")
@pytest.mark.parametrize("width", [1, 1536])
def test_the_first_delta_decides_the_width_and_another_is_refused(
    cloud: Cloud, words: Any, apply: Apply, width: int
) -> None:
    cloud.put(
        PAPER.receipt(), PAPER.run("one"), PAPER.run("two"), PAPER.word(1, 1), PAPER.word(1, 2)
    )
    for run, word, floats in (("one", 1, width), ("two", 2, width + 1)):
        given = records(PAPER.word_id(1, word), width=floats)
        write_delta(cloud.s3, BUCKET, f"words/delta/{run}", "words", *given)
    assert not apply(PAPER.run_message("one")).has_errors
    (failure,) = apply(PAPER.run_message("two")).failures
    assert f"{width + 1} numbers, the collection's {width}; none is merged" in failure.reason
    assert words.get()["ids"] == [PAPER.word_id(1, 1)]


@pytest.mark.domain("run-processing")
def test_the_run_is_processing_while_it_merges(cloud: Cloud, apply: Apply) -> None:
    cloud.put(PAPER.receipt(), PAPER.run(), PAPER.word(1, 1))
    put_delta(cloud, "words/delta/run-1", PAPER.word_id(1, 1))
    merged = apply(PAPER.run_message()).delta_merge_results[0]
    item = cloud.item(PAPER.run())
    assert item is not None
    assert item["words_state"]["S"] == "PROCESSING"
    assert item["words_started_at"]["S"] == merged.started_at
    assert item["lines_state"]["S"] == "PENDING"


@pytest.mark.domain("delta-archive")
def test_the_archive_wins_over_loose_objects(cloud: Cloud, words: Any, apply: Apply) -> None:
    cloud.put(PAPER.receipt(), PAPER.run(), PAPER.word(1, 1), PAPER.word(1, 2))
    put_delta(cloud, "words/delta/run-1", PAPER.word_id(1, 1), form="loose")
    put_delta(cloud, "words/delta/run-1", PAPER.word_id(1, 2), form="tar")
    apply(PAPER.run_message())
    assert words.get()["ids"] == [PAPER.word_id(1, 2)]


@pytest.mark.domain("delta-archive")
@pytest.mark.parametrize("twice", [False, True])
def test_an_archive_stored_with_content_encoding_gzip_is_read(
    cloud: Cloud, words: Any, apply: Apply, tmp_path: Path, twice: bool
) -> None:
    cloud.put(PAPER.receipt(), PAPER.run(), PAPER.word(1, 1))
    write_directory(tmp_path / "made", "words", *records(PAPER.word_id(1, 1)))
    body = pack(tmp_path / "made")
    cloud.s3.put_object(
        Bucket=BUCKET,
        Key="words/delta/run-1/delta.tar.gz",
        Body=gzip.compress(body) if twice else body,
        ContentEncoding="gzip",
    )
    apply(PAPER.run_message())
    assert words.count() == 1


@pytest.mark.domain("delta-notice")
def test_an_older_delta_notice_without_a_run_is_merged(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    cloud.put(PAPER.receipt(), PAPER.word(1, 1))
    put_delta(cloud, "delta/0a1b", PAPER.word_id(1, 1))
    notice = PAPER.message(
        "COMPACTION_RUN", "INSERT", collections=("words",), delta_s3_prefix="delta/0a1b/"
    )
    result = apply(notice)
    assert [merge.run_id for merge in result.delta_merge_results] == [None]
    assert words.count() == 1


def test_a_re_embedded_word_keeps_what_only_another_producer_knows(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    word = PAPER.word_id(1, 1)
    cloud.put(PAPER.receipt(), PAPER.run(), PAPER.word(1, 1))
    embed(words, [word], confidence=0.9, valid_labels_array=["OLD"], label_status="validated")
    put_delta(cloud, "words/delta/run-1", word)
    apply(PAPER.run_message())
    assert carried(words, word)["confidence"] == 0.9
    assert "valid_labels_array" not in carried(words, word)


@pytest.mark.domain("delta-whole", "wrong-bulk")
def test_more_records_than_one_chroma_call_takes_are_all_written(
    cloud: Cloud, lines: Any, apply: Apply
) -> None:
    """Chroma takes 5,461 records a call; the predecessor lost those above 300 without a word."""
    cloud.put(PAPER.receipt(), PAPER.run(), *(PAPER.line(number) for number in range(1, 6001)))
    ids = [PAPER.line_id(number) for number in range(1, 6001)]
    write_delta(cloud.s3, BUCKET, "lines/delta/run-1", "lines", *records(*ids))
    result = apply(PAPER.run_message(), collection="lines")
    assert result.total_vectors_merged == lines.count() == 6000


@pytest.mark.domain("delta-whole", "wrong-bulk", "wrong-states")
def test_a_store_that_drops_records_fails_the_merge_instead_of_counting_it(
    cloud: Cloud, words: Any, apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The predecessor's store dropped what was above 300; every record is looked for afterwards."""
    add = collection._add
    monkeypatch.setattr(collection, "_add", lambda target, adds: add(target, adds[:1]))
    cloud.put(PAPER.receipt(), PAPER.run(), PAPER.word(1, 1), PAPER.word(1, 2))
    put_delta(cloud, "words/delta/run-1", PAPER.word_id(1, 1), PAPER.word_id(1, 2))
    result = apply(PAPER.run_message())
    (failure,) = result.failures
    assert (failure.error, failure.final) == ("StorageUnavailable", False)
    assert "only 1 of 2 records were written" in failure.reason
    assert (words.count(), result.delta_merge_count) == (1, 0)


@pytest.mark.parametrize("space", ["l2", "cosine"])
@pytest.mark.parametrize("count", [3, 1200])
def test_a_foreign_directory_reads_as_chromadb_itself_reads_it(
    tmp_path: Path, count: int, space: str
) -> None:
    """Under 1,000 records the vectors lie in the log, above them in the HNSW files and the log."""
    client: Any = chromadb.PersistentClient(str(tmp_path))
    settings = {"hnsw": {"space": space}}
    made = client.create_collection("words", configuration=settings, embedding_function=None)
    ids = [PAPER.word_id(1, number) for number in range(1, count + 1)]
    for start in range(0, count, 100):
        part, vectors, metadatas, documents = records(*ids[start : start + 100])
        made.add(list(part), embeddings=vectors, metadatas=metadatas, documents=documents)
    made.update(ids=[ids[0]], metadatas=[{"x": None, "n": 1, "f": 1.0, "b": True, "l": [1, 2]}])
    made.update(ids=[ids[1]], embeddings=[[9.0] * WIDTH], documents=["new text"])
    made.delete(ids=[ids[2]])
    include = ["metadatas", "documents", "embeddings"]
    truth = made.get(include=include)
    client.close()
    read = foreign.read_records(tmp_path, "words")
    assert sorted(read) == sorted(truth["ids"])
    for at, id_ in enumerate(truth["ids"]):
        assert read[id_].metadata == truth["metadatas"][at]
        assert read[id_].document == truth["documents"][at]
        # Of a cosine collection chromadb answers direction times length, which may round.
        told = truth["embeddings"][at].tolist()
        assert read[id_].embedding.tolist() == (told if space == "l2" else pytest.approx(told))


def test_nothing_stays_behind(cloud: Cloud, tmp_path: Path) -> None:
    put_delta(cloud, "words/delta/run-1", PAPER.word_id(1, 1))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    source = DeltaSource(Objects(cloud.s3, BUCKET))
    assert len(source.read(source.find("words/delta/run-1"), "words", scratch)) == 1
    assert list(scratch.iterdir()) == []
