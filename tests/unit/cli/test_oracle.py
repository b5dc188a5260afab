"""The oracle against cases worked out by hand from docs/domain.md."""

from datetime import UTC, datetime
from typing import Any

import pytest

from instep.domain import Difference
from receipt_domain.oracle import compare, expected, judge

PK = "IMAGE#3f2b"
RECEIPT = "RECEIPT#00001"
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


BODY = [item(RECEIPT), item(LINE), item(WORD)]


def word_fields(*items: dict[str, Any]) -> dict[str, Any]:
    return expected([*BODY, *items])["words"][f"{PK}#{WORD}"]


def test_only_lines_and_words_of_receipts_can_have_an_embedding() -> None:
    ignored = [
        item(f"{WORD}#LETTER#00001"),
        item("RECEIPT#00001#SECTION#HEADER"),
        item("LINE#00002"),
        item(RECEIPT, pk="LOCK#3f2b"),
        item(LINE, pk="LOCK#3f2b"),
        item(f"{RECEIPT}#LINE#0000000000000000001"),
        item("RECEIPT#1000000000000000000"),
        item("RECEIPT#1000000000000000000#LINE#00001"),  # 19 digits: no key has so many
    ]
    assert expected([*BODY, *ignored]) == {
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
    gone, lives = until(now, -1, item(WORD)), until(now, 1, item(LINE))
    there: dict[str, Any] = {"lines": {f"{PK}#{LINE}": {}}, "words": {}}
    assert expected([item(RECEIPT), gone, lives], now=now) == there
    assert expected([until(now, -1, item(RECEIPT)), gone, lives], now=now)["lines"] == {}


def until(now: datetime, seconds: int, made: dict[str, Any]) -> dict[str, Any]:
    """The item with an expiry so many seconds from now."""
    return made | {"TimeToLive": {"N": str(int(now.timestamp()) + seconds)}}


def carried(**fields: object) -> dict[str, dict[str, dict[str, object]]]:
    return {"words": {f"{PK}#{WORD}": {"text": "milk", "x": 0.5, **fields}}}


def test_what_only_producers_write_is_not_judged() -> None:
    assert compare(expected(BODY), carried()) == []


@pytest.mark.domain("visual-row")
def test_a_word_without_an_embedding_is_no_drift() -> None:
    assert compare(expected(BODY), {"lines": {}, "words": {}}) == []


def test_producers_unvalidated_with_empty_strings_is_no_drift_unless_a_label_exists() -> None:
    said = carried(label_status="unvalidated", valid_labels="", invalid_labels="")
    assert compare(expected(BODY), said) == []
    labelled = expected([*BODY, label("TOTAL", "VALID", "2025-06-01")])
    assert {difference.field for difference in compare(labelled, said)} == {
        "label_status",
        "valid_labels",
        "valid_labels_array",
        "label_validated_at",
    }


@pytest.mark.domain("lives-with-its-item")
@pytest.mark.parametrize("gone", [WORD, RECEIPT])
def test_an_embedding_whose_word_or_receipt_is_gone_is_drift(gone: str) -> None:
    left = [one for one in BODY if one["SK"]["S"] != gone]
    found = compare(expected(left), carried())
    whose = (f"{PK}#{RECEIPT}",)
    assert found == [Difference("words", f"{PK}#{WORD}", None, None, None, part_of=whose)]
    assert found == judge(left, carried(), NOW)
    assert str(found[0]).endswith("should not be there, by the table")


@pytest.mark.domain("lives-with-its-item")
def test_a_word_whose_line_item_is_gone_is_none() -> None:
    assert compare(expected([item(RECEIPT), item(WORD)]), carried()) == []


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
    found = compare(expected(BODY), carried(**fields))
    assert [difference.field for difference in found] == [drifted]
    assert "the table says None" in str(found[0])


def test_the_order_of_a_list_is_not_judged() -> None:
    wanted = expected(
        [
            *BODY,
            label("A", "VALID", "2025-01-01"),
            label("B", "VALID", "2025-02-01"),
        ]
    )
    fields = dict(wanted["words"][f"{PK}#{WORD}"], valid_labels_array=["B", "A"])
    assert compare(wanted, carried(**fields)) == []


def test_two_labels_of_one_name_and_time_are_told_apart_by_their_keys() -> None:
    same = "2025-06-01T00:00:00+00:00"
    both = [label("total", "PENDING", same, by="a"), label("TOTAL", "PENDING", same, by="b")]
    for order in (both, both[::-1]):
        assert word_fields(*order)["label_proposed_by"] == "a"


@pytest.mark.domain("number-is-text", "other-types")
def test_a_number_is_its_text_and_any_other_type_is_no_value() -> None:
    metadata = item(f"{RECEIPT}#METADATA", merchant_name="x") | {
        "phone_number": {"N": "5551234567"},
        "place_id": {"SS": ["p1"]},
        "address": {"B": b"1"},
        "merchant_category": {"BOOL": True},
    }
    assert word_fields(metadata) == {"merchant_name": "X", "phone_number": "5551234567"}


NOW = datetime(2026, 1, 1, tzinfo=UTC)
A = {"valid_labels": ",A,", "valid_labels_array": ["A"], "invalid_labels": ""}
VALID_A = {"label_status": "validated", "label_validated_at": "2025-01-01", **A}


@pytest.mark.domain("expiry-pending")
@pytest.mark.parametrize(
    ("labels", "in_step"),
    [
        ({"A", "B", "C"}, True),  # looked up before any of them expired
        ({"B", "C"}, True),
        ({"C"}, True),  # or since
        ({"A", "C"}, False),  # B went after A: nobody ever saw A without B
        ({"A", "B"}, False),  # C has not expired
        (set(), False),
    ],
)
def test_labels_whose_expiry_is_pending_may_be_there_as_of_any_moment(
    labels: set[str], in_step: bool
) -> None:
    ends = {"A": -20, "B": -10, "C": 10}
    made = {name: until(NOW, at, label(name, "VALID", "2025-01-01")) for name, at in ends.items()}
    seen = word_fields(*(made[name] for name in sorted(labels)))
    assert (judge([*BODY, *made.values()], carried(**seen), NOW) == []) is in_step


@pytest.mark.domain("expiry-pending")
@pytest.mark.parametrize("merchant", ["there", "gone", "half"])
@pytest.mark.parametrize("labelled", [True, False])
def test_what_is_looked_up_apart_may_be_of_different_moments(merchant: str, labelled: bool) -> None:
    place = until(NOW, -10, item(f"{RECEIPT}#PLACE", merchant_name="new", place_id="p2"))
    metadata = item(f"{RECEIPT}#METADATA", merchant_name="old", address="here")
    table = [*BODY, metadata, place, until(NOW, -20, label("A", "VALID", "2025-01-01"))]
    names = {
        "there": {"merchant_name": "New", "place_id": "p2"},
        "gone": {"merchant_name": "Old", "address": "here"},
        "half": {"merchant_name": "Old", "place_id": "p2"},
    }
    found = judge(table, carried(**names[merchant], **(VALID_A if labelled else {})), NOW)
    assert {one.field for one in found} == (
        {"place_id", "address"} if merchant == "half" else set()
    )


@pytest.mark.domain("expiry-pending")
@pytest.mark.parametrize("expired", [RECEIPT, WORD])
@pytest.mark.parametrize("there", [True, False])
def test_the_embedding_of_an_expired_item_may_be_there_or_not(expired: str, there: bool) -> None:
    table = [until(NOW, -1, one) if one["SK"]["S"] == expired else one for one in BODY]
    assert judge(table, carried() if there else {"words": {}}, NOW) == []
    (found,) = judge(table, carried(merchant_name="Stale"), NOW)
    assert found.field == "merchant_name"
