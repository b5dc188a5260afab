"""What docs/domain.md says of chromadb itself: a release that behaves otherwise fails here."""

from typing import Any

import chromadb.errors
import pytest

from tests.support.items import Paper
from tests.unit.compaction.conftest import WIDTH, carried, embed

WORD = Paper().word_id(1, 1)


@pytest.mark.domain("chroma-merges")
@pytest.mark.parametrize("verb", ["update", "upsert"])
def test_metadata_is_merged_and_a_field_goes_away_only_as_none(words: Any, verb: str) -> None:
    embed(words, [WORD], place_id="p1", tags=["a"])
    vectors = {"embeddings": [[0.5] * WIDTH]} if verb == "upsert" else {}
    getattr(words, verb)(ids=[WORD], metadatas=[{"phone_number": "1"}], **vectors)
    assert carried(words, WORD)["place_id"] == "p1"
    getattr(words, verb)(ids=[WORD], metadatas=[{"place_id": None, "tags": None}], **vectors)
    assert not carried(words, WORD).keys() & {"place_id", "tags"}


@pytest.mark.domain("chroma-merges")
def test_a_where_of_two_keys_needs_and_and_an_empty_metadata_is_refused(words: Any) -> None:
    embed(words, [WORD])
    both: Any = {"image_id": "img-1", "receipt_id": 1}
    with pytest.raises(ValueError, match="exactly one operator"):
        words.get(where=both)
    each = [{key: value} for key, value in both.items()]
    assert words.get(where={"$and": each})["ids"] == [WORD]
    with pytest.raises(ValueError, match="non-empty"):
        words.update(ids=[WORD], metadatas=[{}])


@pytest.mark.domain("label-lists")
def test_contains_filters_lists_and_not_texts_and_an_empty_list_is_refused(words: Any) -> None:
    embed(words, [WORD], valid_labels=",TOTAL,", valid_labels_array=["TOTAL"])
    for field, found in (("valid_labels_array", [WORD]), ("valid_labels", [])):
        assert words.get(where={field: {"$contains": "TOTAL"}})["ids"] == found
    with pytest.raises((ValueError, chromadb.errors.ChromaError)):
        words.update(ids=[WORD], metadatas=[{"valid_labels_array": []}])
