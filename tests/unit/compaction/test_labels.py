"""docs/domain.md, The vector store: the label fields on a word, row by row."""

from typing import Any

import pytest

from receipt_chroma.compaction.labels import LABEL_FIELDS, Label, label_fields
from tests.support.items import Paper
from tests.unit.compaction.conftest import Apply, carried, embed

PAPER = Paper()


def fields(*labels: Label) -> dict[str, Any]:
    return {key: value for key, value in label_fields(labels).items() if value is not None}


@pytest.mark.domain("label-status")
@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["VALID", "PENDING", "INVALID"], "validated"),
        (["PENDING", "INVALID", "NEEDS_REVIEW"], "auto_suggested"),
        (["INVALID"], "unvalidated"),
        (["NEEDS_REVIEW", "NONE"], "unvalidated"),
    ],
)
def test_label_status_is_validated_before_auto_suggested_before_unvalidated(
    statuses: list[str], expected: str
) -> None:
    labels = [Label(f"L{number}", status) for number, status in enumerate(statuses)]
    assert fields(*labels)["label_status"] == expected


@pytest.mark.domain("label-strings", "label-lists")
def test_valid_and_invalid_labels_are_sorted_strings_and_lists() -> None:
    given = fields(
        Label("TOTAL", "VALID"),
        Label("DATE", "VALID"),
        Label("TAX", "INVALID"),
        Label("TIME", "PENDING"),
    )
    assert given["valid_labels"] == ",DATE,TOTAL,"
    assert given["invalid_labels"] == ",TAX,"
    assert given["valid_labels_array"] == ["DATE", "TOTAL"]
    assert given["invalid_labels_array"] == ["TAX"]


@pytest.mark.domain("label-strings", "label-lists")
def test_no_valid_label_is_an_empty_string_and_no_list() -> None:
    given = label_fields([Label("TOTAL", "PENDING")])
    assert (given["valid_labels"], given["invalid_labels"]) == ("", "")
    assert (given["valid_labels_array"], given["invalid_labels_array"]) == (None, None)


@pytest.mark.domain("label-strings")
def test_a_label_with_a_comma_is_left_out_of_the_strings_only() -> None:
    given = fields(Label("TOTAL, WITH TAX", "VALID"), Label("DATE", "VALID"))
    assert given["valid_labels"] == ",DATE,"
    assert given["valid_labels_array"] == ["DATE", "TOTAL, WITH TAX"]


@pytest.mark.domain("label-once", "wrong-both")
def test_a_label_is_never_both_valid_and_invalid() -> None:
    given = fields(Label("TOTAL", "INVALID"), Label("TOTAL", "VALID"))
    assert given["valid_labels_array"] == ["TOTAL"]
    assert "invalid_labels_array" not in given


@pytest.mark.domain("times", "label-newest")
def test_the_newest_label_is_by_instant_with_naive_times_as_utc() -> None:
    given = fields(
        Label("A", "VALID", added="2026-01-01T12:00:00+05:00"),  # 07:00 UTC
        Label("B", "VALID", added="2026-01-01T08:00:00"),
        Label("C", "VALID", added="2026-01-01T07:30:00Z"),
        Label("D", "PENDING", proposed_by="old", added="2026-01-02T00:00:00-01:00"),
        Label("E", "PENDING", proposed_by="new", added="2026-01-02T00:30:00-01:00"),
    )
    assert given["label_validated_at"] == "2026-01-01T08:00:00"
    assert given["label_proposed_by"] == "new"


@pytest.mark.domain("times")
def test_ties_go_by_label_name_and_labels_without_a_time_are_oldest() -> None:
    same = "2026-01-01T00:00:00Z"
    given = fields(
        Label("B", "PENDING", proposed_by="b", added=same),
        Label("A", "PENDING", proposed_by="a", added="2026-01-01T01:00:00+01:00"),
        Label("Z", "PENDING", proposed_by="z", added=None),
        Label("Y", "PENDING", proposed_by="y", added="yesterday"),
    )
    assert given["label_proposed_by"] == "b"


@pytest.mark.domain("times")
def test_two_labels_of_one_name_and_time_are_told_apart_by_their_keys() -> None:
    both = [
        Label.of(PAPER.label(1, 1, name, "PENDING", by=name))
        for name in ("total", "TOTAL", "Total")
    ]
    for order in (both, both[::-1]):
        assert fields(*order)["label_proposed_by"] == "total"


@pytest.mark.domain("label-newest")
def test_proposed_by_and_validated_at_are_absent_without_pending_or_valid() -> None:
    given = label_fields([Label("TOTAL", "INVALID", proposed_by="x", added="2026-01-01")])
    assert given["label_proposed_by"] is None
    assert given["label_validated_at"] is None


@pytest.mark.domain("receipt-word-label")
@pytest.mark.parametrize("status", [None, ""])
def test_a_status_that_is_null_or_empty_is_none(status: str | None) -> None:
    assert Label.of(PAPER.label(1, 1, "TOTAL", status)).status == "NONE"


@pytest.mark.domain("label-name")
def test_the_name_is_everything_behind_label_upper_cased() -> None:
    label = Label.of(PAPER.label(1, 1, "net total #LABEL#, gross", "VALID"))
    assert label.name == "NET TOTAL #LABEL#, GROSS"


@pytest.mark.domain("label-name")
def test_an_item_with_no_name_behind_label_is_no_label(
    cloud: Any, words: Any, apply: Apply
) -> None:
    cloud.put(PAPER.word(1, 1), PAPER.label(1, 1, "", "VALID"))
    embed(words, [PAPER.word_id(1, 1)])
    apply(label_message())
    assert not carried(words, PAPER.word_id(1, 1)).keys() & set(LABEL_FIELDS)


@pytest.mark.domain("label-confidence")
def test_label_confidence_is_removed_for_the_table_has_none(
    cloud: Any, words: Any, apply: Apply
) -> None:
    cloud.put(PAPER.word(1, 1), PAPER.label(1, 1, "TOTAL", "VALID"))
    embed(words, [PAPER.word_id(1, 1)], label_confidence=0.5)
    apply(label_message())
    assert "label_confidence" not in carried(words, PAPER.word_id(1, 1))


@pytest.mark.domain("no-label", "absent-is-removed")
@pytest.mark.invariant(4)
def test_a_word_with_no_label_left_has_none_of_the_fields(
    cloud: Any, words: Any, apply: Apply
) -> None:
    total = PAPER.label(1, 1, "TOTAL", "VALID", by="me")
    cloud.put(PAPER.word(1, 1), total)
    embed(words, [PAPER.word_id(1, 1)])
    apply(label_message())
    assert carried(words, PAPER.word_id(1, 1))["label_status"] == "validated"
    cloud.delete(total)
    apply(label_message("REMOVE"))
    assert not carried(words, PAPER.word_id(1, 1)).keys() & set(LABEL_FIELDS)


@pytest.mark.invariant(6)
def test_what_a_word_carries_already_is_not_written_again(
    cloud: Any, words: Any, apply: Apply
) -> None:
    cloud.put(PAPER.word(1, 1), PAPER.label(1, 1, "TOTAL", "VALID"))
    embed(words, [PAPER.word_id(1, 1)])
    assert apply(label_message()).total_labels_updated == 1
    assert apply(label_message()).total_labels_updated == 0


@pytest.mark.domain("no-label")
def test_a_producers_unvalidated_equals_none_and_is_not_rewritten(
    cloud: Any, words: Any, apply: Apply
) -> None:
    cloud.put(PAPER.word(1, 1))
    none = {"label_status": "unvalidated", "valid_labels": "", "invalid_labels": ""}
    embed(words, [PAPER.word_id(1, 1)], **none)
    result = apply(label_message())
    assert result.total_labels_updated == 0
    assert carried(words, PAPER.word_id(1, 1)).items() >= none.items()


@pytest.mark.domain("sort-keys-whole")
def test_labels_of_another_word_or_receipt_do_not_count(
    cloud: Any, words: Any, apply: Apply
) -> None:
    """`RECEIPT#00001` must not match `RECEIPT#000010`, nor word 3 word 30."""
    cloud.put(
        PAPER.word(1, 3),
        PAPER.label(1, 3, "TOTAL", "VALID"),
        PAPER.label(1, 300000, "TAX", "VALID"),
        Paper(number=100000).label(1, 3, "DATE", "VALID"),
    )
    embed(words, [PAPER.word_id(1, 3)])
    apply(label_message(word_id=3))
    assert carried(words, PAPER.word_id(1, 3))["valid_labels"] == ",TOTAL,"


@pytest.mark.domain("ttl")
def test_a_label_past_its_time_to_live_counts_as_gone(cloud: Any, words: Any, apply: Apply) -> None:
    cloud.put(
        PAPER.word(1, 1),
        PAPER.label(1, 1, "TAX", "VALID") | {"TimeToLive": {"N": "1000"}},
        PAPER.label(1, 1, "TOTAL", "VALID") | {"TimeToLive": {"N": "99999999999"}},
    )
    embed(words, [PAPER.word_id(1, 1)])
    apply(label_message())
    assert carried(words, PAPER.word_id(1, 1))["valid_labels_array"] == ["TOTAL"]


@pytest.mark.domain("label-lists")
def test_lists_can_be_filtered_with_contains(cloud: Any, words: Any, apply: Apply) -> None:
    cloud.put(PAPER.word(1, 1), PAPER.label(1, 1, "TOTAL", "VALID"))
    embed(words, [PAPER.word_id(1, 1), PAPER.word_id(1, 2)])
    apply(label_message())
    found = words.get(where={"valid_labels_array": {"$contains": "TOTAL"}})
    assert found["ids"] == [PAPER.word_id(1, 1)]


def test_a_label_of_a_word_without_embedding_is_counted_and_no_error(
    cloud: Any, apply: Apply
) -> None:
    cloud.put(PAPER.word(1, 1), PAPER.label(1, 1, "TOTAL", "VALID"))
    result = apply(label_message())
    assert (result.words_not_found, result.has_errors) == (1, False)


def label_message(event: str = "MODIFY", word_id: int = 1) -> Any:
    return PAPER.message(
        "RECEIPT_WORD_LABEL",
        event,
        collections=("words",),
        line_id=1,
        word_id=word_id,
        label="TOTAL",
    )
