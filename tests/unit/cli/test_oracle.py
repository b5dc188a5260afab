"""The oracle against cases worked out by hand from docs/domain.md."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tools.oracle import Difference, compare, expected

PK = "IMAGE#3f2b"
LINE = "RECEIPT#00001#LINE#00002"
WORD = f"{LINE}#WORD#00003"


def item(sk: str, pk: str = PK, **strings: str | None) -> dict[str, Any]:
    """An item image in DynamoDB JSON; None is written as the table writes it."""
    values = {
        name: {"NULL": True} if text is None else {"S": text} for name, text in strings.items()
    }
    return {"PK": {"S": pk}, "SK": {"S": sk}, **values}


def label(name: str, status: str | None, at: str, by: str | None = "ocr") -> dict[str, Any]:
    return item(
        f"{WORD}#LABEL#{name}",
        validation_status=status,
        timestamp_added=at,
        label_proposed_by=by,
    )


def word_fields(*items: dict[str, Any]) -> dict[str, Any]:
    return expected([item(LINE), item(WORD), *items])["words"][f"{PK}#{WORD}"]


def test_only_lines_and_words_of_receipts_can_have_an_embedding() -> None:
    ignored = [
        item(f"{WORD}#LETTER#00001"),
        item("RECEIPT#00001#SECTION#HEADER"),
        item("LINE#00002"),
        item(LINE, pk="LOCK#3f2b"),
        item("RECEIPT#00001"),
    ]
    assert expected([item(LINE), item(WORD), *ignored]) == {
        "lines": {f"{PK}#{LINE}": {}},
        "words": {f"{PK}#{WORD}": {}},
    }


def test_metadata_gives_every_embedding_of_its_receipt_the_six_fields() -> None:
    metadata = item(
        "RECEIPT#00001#METADATA",
        place_id="p1",
        merchant_name="WHOLE FOODS MARKET #10",
        canonical_merchant_name=" whole foods ",
        merchant_category="grocery",
        address="",
        phone_number=None,
    )
    assert word_fields(metadata) == {
        "place_id": "p1",
        "merchant_name": "Whole Foods",
        "canonical_merchant_name": " whole foods ",
        "merchant_category": "grocery",
    }


def test_place_wins_whole_and_never_field_by_field() -> None:
    metadata = item(
        "RECEIPT#00001#METADATA",
        merchant_name="old",
        canonical_merchant_name="OLD",
        phone_number="1",
        address="here",
    )
    place = item("RECEIPT#00001#PLACE", merchant_name="new place", formatted_address="there")
    assert word_fields(metadata, place) == {"merchant_name": "New Place", "address": "there"}


def test_receipt_1_is_not_receipt_10() -> None:
    other = item("RECEIPT#000010#METADATA", merchant_name="x")
    assert word_fields(other, item("RECEIPT#00010#METADATA", merchant_name="y")) == {}


def test_labels_of_a_word_are_read_together() -> None:
    assert word_fields(
        label("total", "VALID", "2025-06-01T10:00:00+02:00"),
        label("TAX", "VALID", "2025-06-01T09:00:00"),
        label("DATE", "PENDING", "2025-06-02T00:00:00", by="llm"),
        label("TIME", "PENDING", "2025-06-01T00:00:00", by="human"),
        label("A, B", "INVALID", "2025-06-01T00:00:00"),
        label("SUBTOTAL", "NEEDS_REVIEW", "2025-06-01T00:00:00"),
    ) == {
        "label_status": "validated",
        "valid_labels": ",TAX,TOTAL,",
        "invalid_labels": "",
        "valid_labels_array": ["TAX", "TOTAL"],
        "invalid_labels_array": ["A, B"],
        "label_proposed_by": "llm",
        "label_validated_at": "2025-06-01T09:00:00",  # 08:00 UTC is older than a naive 09:00
    }


@pytest.mark.parametrize("status", [None, "NONE", "NEEDS_REVIEW", "INVALID"])
def test_without_valid_or_pending_a_word_is_unvalidated(status: str | None) -> None:
    assert word_fields(label("TOTAL", status, "2025-06-01"))["label_status"] == "unvalidated"


def test_an_item_past_its_time_to_live_counts_as_gone() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    gone = item(WORD) | {"TimeToLive": {"N": str(int(now.timestamp()) - 1)}}
    lives = item(LINE) | {"TimeToLive": {"N": str(int(now.timestamp()) + 1)}}
    assert expected([gone, lives], now=now) == {"lines": {f"{PK}#{LINE}": {}}, "words": {}}


def carried(**fields: object) -> dict[str, dict[str, dict[str, object]]]:
    return {"words": {f"{PK}#{WORD}": {"text": "milk", "x": 0.5, **fields}}}


def test_what_only_producers_write_is_not_judged() -> None:
    assert compare(expected([item(LINE), item(WORD)]), carried()) == []


@pytest.mark.domain("visual-row")
def test_a_word_without_an_embedding_is_no_drift() -> None:
    assert compare(expected([item(LINE), item(WORD)]), {"lines": {}, "words": {}}) == []


def test_producers_unvalidated_with_empty_strings_is_no_drift_unless_a_label_exists() -> None:
    said = carried(label_status="unvalidated", valid_labels="", invalid_labels="")
    assert compare(expected([item(LINE), item(WORD)]), said) == []
    labelled = expected([item(LINE), item(WORD), label("TOTAL", "VALID", "2025-06-01")])
    assert {difference.field for difference in compare(labelled, said)} == {
        "label_status",
        "valid_labels",
        "valid_labels_array",
        "label_validated_at",
    }


def test_an_embedding_whose_word_is_gone_is_drift() -> None:
    found = compare(expected([item(LINE)]), carried())
    assert found == [Difference("words", f"{PK}#{WORD}", None, None, None)]
    assert str(found[0]).endswith("no such item in the table")


@pytest.mark.parametrize(
    ("fields", "drifted"),
    [
        ({"merchant_name": "Old Name"}, "merchant_name"),
        ({"label_confidence": 0.9}, "label_confidence"),
        ({"label_status": "validated"}, "label_status"),
        ({"valid_labels_array": ["TOTAL"]}, "valid_labels_array"),
    ],
)
def test_a_field_the_table_does_not_give_is_drift(fields: dict[str, Any], drifted: str) -> None:
    found = compare(expected([item(LINE), item(WORD)]), carried(**fields))
    assert [difference.field for difference in found] == [drifted]
    assert "the table says None" in str(found[0])


def test_the_order_of_a_list_is_not_judged() -> None:
    wanted = expected(
        [
            item(LINE),
            item(WORD),
            label("A", "VALID", "2025-01-01"),
            label("B", "VALID", "2025-02-01"),
        ]
    )
    fields = dict(wanted["words"][f"{PK}#{WORD}"], valid_labels_array=["B", "A"])
    assert compare(wanted, carried(**fields)) == []
