"""docs/domain.md: an embedding exists while its own LINE or WORD item and its RECEIPT item do."""

from typing import Any

import pytest

from tests.support.items import Paper
from tests.support.tables import Cloud
from tests.unit.compaction.conftest import Apply, carried, embed

PAPER = Paper()


def gone() -> Any:
    return PAPER.message("RECEIPT", "REMOVE")


def word_gone(line: int, word: int) -> Any:
    return PAPER.message(
        "RECEIPT_WORD", "REMOVE", collections=("words",), line_id=line, word_id=word
    )


def line_gone(line: int) -> Any:
    return PAPER.message("RECEIPT_LINE", "REMOVE", collections=("lines",), line_id=line)


@pytest.mark.domain("receipt-line", "receipt-word", "lives-with-its-item")
@pytest.mark.invariant(4)
def test_removing_a_word_or_a_line_removes_that_embedding(
    cloud: Cloud, words: Any, lines: Any, apply: Apply
) -> None:
    cloud.put(PAPER.word(1, 2), PAPER.line(2))
    embed(words, [PAPER.word_id(1, 1), PAPER.word_id(1, 2)])
    embed(lines, [PAPER.line_id(1), PAPER.line_id(2)])
    assert apply(word_gone(1, 1)).embeddings_deleted == 1
    assert apply(line_gone(1), collection="lines").embeddings_deleted == 1
    assert words.get()["ids"] == [PAPER.word_id(1, 2)]
    assert lines.get()["ids"] == [PAPER.line_id(2)]


def test_removing_a_line_leaves_the_words_alone(cloud: Cloud, words: Any, apply: Apply) -> None:
    cloud.put(PAPER.word(1, 1))
    embed(words, [PAPER.word_id(1, 1)])
    assert apply(line_gone(1)).embeddings_deleted == 0
    assert words.count() == 1


def test_a_word_that_exists_again_is_kept(cloud: Cloud, words: Any, apply: Apply) -> None:
    cloud.put(PAPER.word(1, 1))
    embed(words, [PAPER.word_id(1, 1)])
    assert apply(word_gone(1, 1)).embeddings_deleted == 0


@pytest.mark.domain("receipt", "found-in-the-store")
@pytest.mark.invariant(4)
def test_removing_a_receipt_removes_all_also_when_its_words_are_still_there(
    cloud: Cloud, words: Any, lines: Any, apply: Apply
) -> None:
    other = Paper(number=2)
    cloud.put(PAPER.word(1, 1), other.receipt())
    cloud.delete(PAPER.receipt())
    embed(words, [PAPER.word_id(1, 1), PAPER.word_id(9, 9), other.word_id(1, 1)])
    embed(lines, [PAPER.line_id(1)])
    assert apply(gone()).embeddings_deleted == 2
    assert apply(gone(), collection="lines").embeddings_deleted == 1
    assert words.get()["ids"] == [other.word_id(1, 1)]


def test_a_recreated_receipt_is_kept_and_derived_anew(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    kept, lost = PAPER.word_id(1, 1), PAPER.word_id(1, 2)
    cloud.put(
        PAPER.receipt(),
        PAPER.word(1, 1),
        PAPER.label(1, 1, "TOTAL", "VALID"),
        PAPER.metadata(merchant_name="costco"),
    )
    embed(words, [kept, lost], label_status="auto_suggested", place_id="stale")
    assert apply(gone()).embeddings_deleted == 1
    assert words.get()["ids"] == [kept]
    assert carried(words, kept)["label_status"] == "validated"
    assert carried(words, kept)["merchant_name"] == "Costco"
    assert "place_id" not in carried(words, kept)


@pytest.mark.domain("lives-with-its-item")
@pytest.mark.invariant(4)
@pytest.mark.parametrize("event", ["REMOVE", "MODIFY"])
@pytest.mark.parametrize("ending", ["deleted", "past its time to live"])
@pytest.mark.parametrize("whose", ["its own", "its receipt's"])
def test_whoever_hears_of_a_word_looks_for_its_own_item_and_its_receipts(
    cloud: Cloud, words: Any, apply: Apply, whose: str, ending: str, event: str
) -> None:
    """An expiry that was moved is a MODIFY, and may have made the item one that is gone."""
    here, gone_too = PAPER.word(1, 1), PAPER.receipt()
    cloud.put(here)
    embed(words, [PAPER.word_id(1, 1)])
    lost = here if whose == "its own" else gone_too
    cloud.delete(lost)
    if ending != "deleted":
        cloud.put({**lost, "TimeToLive": {"N": "1000"}})
    message = PAPER.message("RECEIPT_WORD", event, collections=("words",), line_id=1, word_id=1)
    assert apply(message).embeddings_deleted == 1


@pytest.mark.domain("lives-with-its-item")
@pytest.mark.invariant(4)
@pytest.mark.parametrize("kind", ["RECEIPT", "RECEIPT_LINE"])
def test_whoever_hears_of_a_line_or_receipt_looks_for_both_items(
    cloud: Cloud, lines: Any, apply: Apply, kind: str
) -> None:
    signal = PAPER.message(kind, "MODIFY", line_id=1)
    cloud.put(PAPER.line(1), PAPER.line(2))
    embed(lines, [PAPER.line_id(1), PAPER.line_id(2)])
    assert apply(signal, collection="lines").embeddings_deleted == 0
    cloud.delete(PAPER.line(1))
    assert apply(signal, collection="lines").embeddings_deleted == 1
    cloud.delete(PAPER.receipt())
    assert apply(gone(), collection="lines").embeddings_deleted == 1


@pytest.mark.domain("lives-with-its-item")
@pytest.mark.invariant(4)
@pytest.mark.parametrize("kind", ["RECEIPT_METADATA", "RECEIPT_WORD_LABEL"])
def test_who_is_touched_otherwise_goes_when_its_receipt_is_found_gone(
    cloud: Cloud, words: Any, apply: Apply, kind: str
) -> None:
    """It was looked for because of another word; its own end is heard of later, or never again."""
    cloud.put(PAPER.word(1, 1), PAPER.word(1, 2))
    embed(words, [PAPER.word_id(1, 1), PAPER.word_id(1, 2)])
    cloud.delete(PAPER.receipt())
    signal = PAPER.message(kind, line_id=1, word_id=2, label="TAX")
    assert apply(word_gone(1, 1), signal).embeddings_deleted == 2


@pytest.mark.domain("lives-with-its-item")
@pytest.mark.parametrize("kind", ["RECEIPT", "RECEIPT_LINE", "RECEIPT_WORD"])
def test_an_arrival_alone_changes_no_embedding(
    cloud: Cloud, words: Any, apply: Apply, kind: str
) -> None:
    cloud.put(PAPER.word(1, 1), PAPER.metadata(merchant_name="costco"))
    embed(words, [PAPER.word_id(1, 1), PAPER.word_id(1, 2)])
    before = words.get()
    result = apply(PAPER.message(kind, "INSERT", line_id=1, word_id=1))
    assert (words.get(), result.has_errors) == (before, False)


@pytest.mark.domain("wrong-order")
def test_delete_then_recreate_in_one_batch_converges_in_any_order(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    cloud.put(PAPER.receipt(), PAPER.word(1, 1), PAPER.label(1, 1, "TAX", "PENDING", by="me"))
    label = PAPER.message(
        "RECEIPT_WORD_LABEL", collections=("words",), line_id=1, word_id=1, label="TAX"
    )
    embed(words, [PAPER.word_id(1, 1)], valid_labels=",OLD,", label_status="validated")
    apply(label, word_gone(1, 1), gone())
    assert carried(words, PAPER.word_id(1, 1))["label_status"] == "auto_suggested"
    assert carried(words, PAPER.word_id(1, 1))["valid_labels"] == ""


@pytest.mark.domain("ttl")
def test_an_item_past_its_time_to_live_counts_as_gone(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    cloud.put(PAPER.word(1, 1, TimeToLive=1000))
    embed(words, [PAPER.word_id(1, 1)])
    assert apply(word_gone(1, 1)).embeddings_deleted == 1


def test_an_embedding_of_no_known_grammar_is_left_alone(words: Any, apply: Apply) -> None:
    words.add(
        ids=["somebody else's"],
        embeddings=[[0.5] * 4],
        metadatas=[{"image_id": PAPER.image, "receipt_id": PAPER.number}],
    )
    apply(gone(), PAPER.message("RECEIPT_METADATA"))
    assert words.count() == 1
