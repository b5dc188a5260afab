"""docs/domain.md, "A record is relevant when": ingest, parser and filter agree."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from receipt_dynamo_stream import RecordRejected, build_messages_from_records, is_relevant, trim
from receipt_dynamo_stream.stream_filter import stream_filters
from tests.support.items import item, stream_record

PK = "IMAGE#7c1f"
WORD = "RECEIPT#00001#LINE#00002#WORD#00003"
KEYS = {
    "RECEIPT": "RECEIPT#00001",
    "RECEIPT_LINE": "RECEIPT#00001#LINE#00002",
    "RECEIPT_WORD": WORD,
    "RECEIPT_METADATA": "RECEIPT#00001#METADATA",
    "RECEIPT_PLACE": "RECEIPT#00001#PLACE",
    "RECEIPT_WORD_LABEL": f"{WORD}#LABEL#TOTAL",
    "COMPACTION_RUN": "RECEIPT#00001#COMPACTION_RUN#r1",
    "RECEIPT_LETTER": f"{WORD}#LETTER#00001",
    "LINE": "LINE#00001",
}
MIRRORED = {
    "RECEIPT_METADATA": [
        "place_id",
        "merchant_name",
        "canonical_merchant_name",
        "merchant_category",
        "address",
        "phone_number",
    ],
    "RECEIPT_PLACE": [
        "place_id",
        "merchant_name",
        "merchant_category",
        "phone_number",
        "formatted_address",
    ],
    "RECEIPT_WORD_LABEL": [
        "reasoning",
        "validation_status",
        "label_proposed_by",
        "label_consolidated_from",
        "timestamp_added",
    ],
}


def record(
    entity: str,
    event: str,
    old: Mapping[str, str | None] | None = None,
    new: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    sk = KEYS[entity]
    run = {"lines_delta_prefix": "a/", "words_delta_prefix": "b/"}
    base: Mapping[str, str | None] = run if entity == "COMPACTION_RUN" else {}
    return stream_record(
        event,
        PK,
        sk,
        old=None if event == "INSERT" else item(PK, sk, entity, **{**base, **(old or {})}),
        new=None if event == "REMOVE" else item(PK, sk, entity, **{**base, **(new or {})}),
    )


RULES = [
    *(
        (entity, "REMOVE", entity not in {"COMPACTION_RUN", "RECEIPT_LETTER", "LINE"})
        for entity in KEYS
    ),
    ("RECEIPT_METADATA", "INSERT", True),
    ("RECEIPT_PLACE", "INSERT", True),
    ("RECEIPT_WORD_LABEL", "INSERT", True),
    ("COMPACTION_RUN", "INSERT", True),
    ("COMPACTION_RUN", "MODIFY", False),
    ("RECEIPT", "INSERT", False),
    ("RECEIPT_LINE", "INSERT", False),
    ("RECEIPT_WORD", "INSERT", False),
    ("RECEIPT_LETTER", "INSERT", False),
    ("LINE", "INSERT", False),
    *((entity, "MODIFY", False) for entity in KEYS),
]


@pytest.mark.domain("relevant", "first-insert", "run-write-back")
@pytest.mark.parametrize(("entity", "event", "relevant"), RULES)
def test_the_rules_of_relevance(entity: str, event: str, relevant: bool) -> None:
    made = record(entity, event)

    assert is_relevant(made) is relevant
    assert bool(build_messages_from_records([made])) is relevant


@pytest.mark.domain("relevant", "receipt-metadata", "receipt-place", "receipt-word-label")
@pytest.mark.parametrize(
    ("entity", "field"),
    [(entity, field) for entity, fields in MIRRORED.items() for field in fields],
)
def test_a_modify_is_relevant_when_a_mirrored_field_differs(entity: str, field: str) -> None:
    made = record(entity, "MODIFY", old={field: "before"}, new={field: "after"})

    (message,) = build_messages_from_records([made])
    assert {name: (change.old, change.new) for name, change in message.changes.items()} == {
        field: ("before", "after")
    }


@pytest.mark.domain("relevant")
@pytest.mark.parametrize("entity", sorted(MIRRORED))
def test_a_modify_of_any_other_field_is_not(entity: str) -> None:
    assert not is_relevant(record(entity, "MODIFY", old={"seen": "1"}, new={"seen": "2"}))


@pytest.mark.domain("no-value")
@pytest.mark.parametrize("nothing", [{}, {"place_id": None}, {"place_id": ""}])
def test_null_absent_and_empty_all_mean_no_value(nothing: dict[str, str | None]) -> None:
    for other in ({}, {"place_id": None}, {"place_id": ""}):
        assert not is_relevant(record("RECEIPT_METADATA", "MODIFY", old=nothing, new=other))


@pytest.mark.domain("other-encodings")
@pytest.mark.parametrize("matched", [{"SS": ["name", "phone"]}, {"L": [{"S": "name"}]}])
def test_sets_lists_and_numbers_beside_what_matters_are_no_trouble(matched: Any) -> None:
    before = item(PK, KEYS["RECEIPT_METADATA"], "RECEIPT_METADATA", receipt_id=1, place_id="a")
    after = {**before, "matched_fields": matched, "receipt_id": {"N": "1"}}
    assert not is_relevant(stream_record("MODIFY", PK, before["SK"]["S"], old=before, new=after))
    moved = {**after, "place_id": {"S": "b"}}
    (message,) = build_messages_from_records(
        [stream_record("MODIFY", PK, before["SK"]["S"], old=before, new=moved)]
    )
    assert set(message.changes) == {"place_id"}


@pytest.mark.parametrize(("entity", "event"), [rule[:2] for rule in RULES if rule[2]])
def test_trimming_keeps_what_a_record_means(entity: str, event: str) -> None:
    made = record(entity, event, old={"reasoning": "a" * 5000}, new={"reasoning": "a" * 5001})
    trimmed = trim(made)

    assert is_relevant(trimmed)
    assert len(json.dumps(trimmed)) < 1500
    (before, *_), (after, *_) = (build_messages_from_records([one]) for one in (made, trimmed))
    assert (before.identity, before.collections) == (after.identity, after.collections)
    assert before.changes.keys() == after.changes.keys()


def test_a_long_value_that_differs_at_its_end_still_differs_when_trimmed() -> None:
    old, new = {"reasoning": "a" * 5000 + "b"}, {"reasoning": "a" * 5000 + "c"}

    assert is_relevant(trim(record("RECEIPT_WORD_LABEL", "MODIFY", old=old, new=new)))


@pytest.mark.domain("type-attribute")
@pytest.mark.parametrize(("entity", "event", "relevant"), RULES)
def test_the_stream_filter_lets_every_relevant_record_through(
    entity: str, event: str, relevant: bool
) -> None:
    made = record(entity, event)

    if relevant:
        assert any(_matches(pattern, made) for pattern in stream_filters())
    if entity in {"RECEIPT_LETTER", "LINE"}:
        assert not any(_matches(pattern, made) for pattern in stream_filters())


def test_a_modify_without_images_is_poison_not_a_guess() -> None:
    made = stream_record("MODIFY", PK, KEYS["RECEIPT_METADATA"])

    with pytest.raises(RecordRejected, match="NEW_AND_OLD_IMAGES"):
        is_relevant(made)


def _matches(pattern: Any, value: Any) -> bool:
    """Lambda's filter rules, as far as ours use them: names, lists of values, prefix."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            name in value and _matches(rule, value[name]) for name, rule in pattern.items()
        )
    return any(
        value.startswith(rule["prefix"]) if isinstance(rule, dict) else value == rule
        for rule in pattern
    )
