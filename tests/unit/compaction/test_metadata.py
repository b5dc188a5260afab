"""docs/domain.md, The table: the merchant fields, from RECEIPT_PLACE or else RECEIPT_METADATA."""

from typing import Any

import pytest

from receipt_chroma.compaction.metadata import MERCHANT_FIELDS, merchant_fields
from tests.support.items import Paper
from tests.support.tables import Cloud
from tests.unit.compaction.conftest import Apply, carried, embed

PAPER = Paper()
METADATA = PAPER.metadata(
    place_id="p1",
    merchant_name="sprouts #42",
    canonical_merchant_name=" sprouts farmers MARKET ",
    merchant_category="Grocery",
    address="1 Main St",
    phone_number="555",
    reasoning="stored, not mirrored",
)


def given(**fields: str | None) -> dict[str, Any]:
    item = PAPER.metadata(**fields)
    return {key: value for key, value in merchant_fields(item, None).items() if value is not None}


@pytest.mark.domain("mirrored", "receipt-metadata")
def test_the_six_fields_are_mirrored_and_no_other() -> None:
    assert merchant_fields(METADATA, None) == {
        "place_id": "p1",
        "merchant_name": "Sprouts Farmers Market",
        "canonical_merchant_name": " sprouts farmers MARKET ",
        "merchant_category": "Grocery",
        "address": "1 Main St",
        "phone_number": "555",
    }


@pytest.mark.domain("mirrored")
@pytest.mark.parametrize("canonical", [None, ""])
def test_merchant_name_without_a_canonical_name_is_its_own_title_cased(
    canonical: str | None,
) -> None:
    assert given(merchant_name=" TRADER joe's ", canonical_merchant_name=canonical) == {
        "merchant_name": "Trader Joe'S"
    }


@pytest.mark.domain("no-value")
def test_null_absent_and_empty_all_mean_no_value() -> None:
    assert given(place_id=None, merchant_name="", address="  ") == {"address": "  "}
    assert given(merchant_name="   ") == {}


@pytest.mark.domain("number-is-text", "other-types")
def test_a_number_is_its_text_and_any_other_type_no_value() -> None:
    item = PAPER.metadata(phone_number=5551234567) | {"place_id": {"B": b"1"}, "address": {"L": []}}
    fields = merchant_fields(item, None)
    assert {key: value for key, value in fields.items() if value is not None} == {
        "phone_number": "5551234567"
    }


@pytest.mark.domain("receipt-place")
def test_place_wins_whole_and_its_formatted_address_is_the_address() -> None:
    place = PAPER.place(merchant_name="costco", formatted_address="2 Side St", address="no")
    assert {k: v for k, v in merchant_fields(METADATA, place).items() if v is not None} == {
        "merchant_name": "Costco",
        "address": "2 Side St",
    }


@pytest.mark.domain("receipt-metadata", "found-in-the-store")
def test_a_metadata_change_reaches_every_embedding_of_the_receipt_in_both_collections(
    cloud: Cloud, words: Any, lines: Any, apply: Apply
) -> None:
    other = Paper(number=2)
    cloud.put(METADATA)
    embed(words, [PAPER.word_id(1, 1), PAPER.word_id(2, 1), other.word_id(1, 1)])
    embed(lines, [PAPER.line_id(1)])
    message = PAPER.message("RECEIPT_METADATA")
    assert apply(message).total_metadata_updated == 2
    assert apply(message, collection="lines").total_metadata_updated == 1
    assert carried(words, PAPER.word_id(2, 1))["place_id"] == "p1"
    assert carried(lines, PAPER.line_id(1))["merchant_name"] == "Sprouts Farmers Market"
    assert "place_id" not in carried(words, other.word_id(1, 1))


@pytest.mark.domain("receipt-place", "no-value-no-key")
@pytest.mark.invariant(4)
def test_when_place_goes_metadata_counts_again_and_without_either_the_keys_are_gone(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    place = PAPER.place(merchant_name="costco")
    word = PAPER.word_id(1, 1)
    cloud.put(METADATA, place)
    embed(words, [word])
    apply(PAPER.message("RECEIPT_PLACE", "INSERT"))
    assert carried(words, word)["merchant_name"] == "Costco"
    assert "place_id" not in carried(words, word)
    cloud.delete(place)
    apply(PAPER.message("RECEIPT_PLACE", "REMOVE"))
    assert carried(words, word)["place_id"] == "p1"
    cloud.delete(METADATA)
    apply(PAPER.message("RECEIPT_METADATA", "REMOVE"))
    assert not carried(words, word).keys() & set(MERCHANT_FIELDS)


@pytest.mark.domain("identity-fields", "visual-row")
def test_unknown_keys_and_the_document_are_kept(cloud: Cloud, words: Any, apply: Apply) -> None:
    word = PAPER.word_id(1, 1)
    cloud.put(METADATA)
    embed(words, [word], row_line_ids="[1,2]", confidence=0.5)
    apply(PAPER.message("RECEIPT_METADATA"))
    found = words.get(ids=[word], include=["metadatas", "documents", "embeddings"])
    assert found["metadatas"][0]["row_line_ids"] == "[1,2]"
    assert found["documents"] == ["milk"]
    assert found["embeddings"][0].tolist() == [0.5] * 4


@pytest.mark.domain("sort-keys-whole")
def test_receipt_1_is_not_receipt_10(cloud: Cloud, words: Any, apply: Apply) -> None:
    ten, hundred_thousand = Paper(number=10), Paper(number=100000)
    cloud.put(METADATA, ten.metadata(merchant_name="ten"))
    embed(words, [paper.word_id(1, 1) for paper in (PAPER, ten, hundred_thousand)])
    apply(PAPER.message("RECEIPT_METADATA"))
    assert "merchant_name" not in carried(words, ten.word_id(1, 1))
    assert "merchant_name" not in carried(words, hundred_thousand.word_id(1, 1))


@pytest.mark.domain("ttl")
def test_a_place_past_its_time_to_live_counts_as_gone(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    cloud.put(METADATA, PAPER.place(merchant_name="costco", TimeToLive=1000))
    embed(words, [PAPER.word_id(1, 1)])
    apply(PAPER.message("RECEIPT_PLACE"))
    assert carried(words, PAPER.word_id(1, 1))["place_id"] == "p1"
