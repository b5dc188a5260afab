"""Embeddings looked up whole though no message touched them: what `sync` finds by their ids."""

import logging
from typing import Any

import pytest

from tests.support.items import Paper
from tests.support.tables import Cloud
from tests.unit.compaction.conftest import Apply, carried, embed

PAPER = Paper()
MERCHANT = {"merchant_name": "shop", "place_id": "place-1"}


@pytest.mark.invariant(4)
def test_what_the_table_no_longer_knows_is_removed(cloud: Cloud, words: Any, apply: Apply) -> None:
    cloud.put(PAPER.word(1, 1))
    ids = [PAPER.word_id(1, 1), PAPER.word_id(1, 2), Paper("no-receipt").word_id(1, 1)]
    embed(words, ids)
    assert apply(recheck=ids).embeddings_deleted == 2
    assert words.get()["ids"] == [PAPER.word_id(1, 1)]


@pytest.mark.invariant(4)
def test_every_field_is_put_right_and_only_what_differs_is_written(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    cloud.put(PAPER.word(1, 1), PAPER.word(1, 2), PAPER.metadata(**MERCHANT))
    cloud.put(PAPER.label(1, 1, "TOTAL", "VALID"))
    ids = [PAPER.word_id(1, 1), PAPER.word_id(1, 2)]
    embed(words, ids)
    words.update(ids=[ids[0]], metadatas=[{"valid_labels": ",WRONG,", "receipt_id": "1"}])
    words.update(ids=[ids[1]], metadatas=[{"merchant_name": "Other", "label_status": "validated"}])
    apply(recheck=ids)
    first, second = (carried(words, id_) for id_ in ids)
    assert (first["valid_labels"], first["merchant_name"]) == (",TOTAL,", "Shop")
    assert first["receipt_id"] == 1
    assert (second["merchant_name"], "label_status" in second) == ("Shop", False)
    again = apply(recheck=ids)
    assert (again.total_metadata_updated, again.total_labels_updated) == (0, 0)


def test_only_the_ids_that_are_named_are_looked_up(cloud: Cloud, words: Any, apply: Apply) -> None:
    cloud.put(PAPER.metadata(**MERCHANT), PAPER.word(1, 1), PAPER.word(1, 2))
    ids = [PAPER.word_id(1, 1), PAPER.word_id(1, 2)]
    embed(words, ids)
    apply(recheck=ids[:1])
    assert carried(words, ids[0])["merchant_name"] == "Shop"
    assert "merchant_name" not in carried(words, ids[1])


def test_what_names_itself_in_its_id_only_is_found(cloud: Cloud, words: Any, apply: Apply) -> None:
    """As an import may leave it: without identity in its metadata no `where` finds it."""
    cloud.put(PAPER.word(1, 1), PAPER.metadata(**MERCHANT))
    id_ = PAPER.word_id(1, 1)
    words.add(ids=[id_], embeddings=[[0.5] * 4], metadatas=[{"text": "milk"}])
    apply(recheck=[id_])
    found = carried(words, id_)
    assert (found["image_id"], found["word_id"], found["merchant_name"]) == ("img-1", 1, "Shop")


def test_an_id_of_another_shape_is_left_alone(words: Any, apply: Apply) -> None:
    words.add(ids=["mine"], embeddings=[[0.5] * 4], metadatas=[{"text": "milk"}])
    assert apply(recheck=["mine"]).embeddings_deleted == 0
    assert carried(words, "mine") == {"text": "milk"}


def test_a_word_among_lines_goes(cloud: Cloud, lines: Any, apply: Apply) -> None:
    cloud.put(PAPER.word(1, 1), PAPER.line(1))
    ids = [PAPER.word_id(1, 1), PAPER.line_id(1)]
    embed(lines, ids)
    apply(collection="lines", recheck=ids)
    assert lines.get()["ids"] == [PAPER.line_id(1)]


def test_one_that_cannot_be_derived_is_told_and_left(
    cloud: Cloud, words: Any, apply: Apply, caplog: pytest.LogCaptureFixture
) -> None:
    bad = {**PAPER.label(1, 1, "TOTAL", "VALID"), "timestamp_added": {"M": {}}}
    huge = {**PAPER.metadata(**MERCHANT), "merchant_name": {"S": "x" * 300_000}}
    cloud.put(PAPER.word(1, 1), bad, huge)
    embed(words, [PAPER.word_id(1, 1)])
    with caplog.at_level(logging.WARNING):
        result = apply(recheck=[PAPER.word_id(1, 1)])
    assert result.failures == []
    assert words.count() == 1
