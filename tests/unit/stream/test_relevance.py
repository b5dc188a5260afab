"""docs/domain.md, "A record is relevant when": ingest, parser and filter agree."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from receipt_dynamo_stream import RecordRejected, build_messages_from_records, is_relevant, trim
from tests.support.filters import lets_through
from tests.support.items import Attribute, item, stream_record

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
    old: Mapping[str, Attribute] | None = None,
    new: Mapping[str, Attribute] | None = None,
) -> dict[str, Any]:
    sk = KEYS[entity]
    run = {"lines_delta_prefix": "a/", "words_delta_prefix": "b/"}
    base: Mapping[str, Attribute] = run if entity == "COMPACTION_RUN" else {}
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
    ("RECEIPT", "INSERT", True),
    ("RECEIPT_LINE", "INSERT", True),
    ("RECEIPT_WORD", "INSERT", True),
    ("RECEIPT_LETTER", "INSERT", False),
    ("LINE", "INSERT", False),
    *((entity, "MODIFY", False) for entity in KEYS),
]


@pytest.mark.domain("relevant", "first-insert", "arrived", "run-write-back")
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
        assert lets_through(made)
    if entity == "LINE" or (entity == "RECEIPT_LETTER" and event != "REMOVE"):
        assert not lets_through(made)


@pytest.mark.domain("relevance-first")
@pytest.mark.parametrize("view", ["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE"])
@pytest.mark.parametrize(("entity", "event"), [rule[:2] for rule in RULES if rule[0] in MIRRORED])
def test_of_a_stream_of_another_view_type_every_record_reaches_ingest(
    view: str, entity: str, event: str
) -> None:
    """A key is enough for what came or went; of a change it says what the stream must show."""
    made = record(entity, event, old={"place_id": "a"}, new={"place_id": "b"})
    change = made["dynamodb"]
    change["StreamViewType"] = view
    for image in ("NewImage", "OldImage"):
        if view != image.replace("Image", "_IMAGE").upper():
            change.pop(image, None)

    assert lets_through(made)
    if event == "MODIFY":
        with pytest.raises(RecordRejected, match="NEW_AND_OLD_IMAGES"):
            is_relevant(made)
    else:
        assert is_relevant(made)


def test_a_run_whose_image_is_not_shown_says_what_the_stream_must_show() -> None:
    made = record("COMPACTION_RUN", "INSERT")
    del made["dynamodb"]["NewImage"]
    with pytest.raises(RecordRejected, match="NEW_AND_OLD_IMAGES"):
        is_relevant(made)


@pytest.mark.parametrize("event", ["INSERT", "MODIFY", "REMOVE"])
def test_what_has_lost_its_type_reaches_ingest_too(event: str) -> None:
    made = record("RECEIPT_METADATA", event, old={"place_id": "a"}, new={"place_id": "b"})
    for image in ("NewImage", "OldImage"):
        made["dynamodb"].get(image, {}).pop("TYPE", None)

    assert is_relevant(made)
    assert lets_through(made)


EXPIRIES = [
    ({}, {"TimeToLive": 4_000_000_000}),
    ({"TimeToLive": 1_000_000_000}, {"TimeToLive": 4_000_000_000}),
    ({"TimeToLive": 4_000_000_000}, {"TimeToLive": 1_000_000_000}),
    ({"TimeToLive": 1_000_000_000}, {}),
]


@pytest.mark.domain("expiry-signal", "run-write-back")
@pytest.mark.parametrize(("old", "new"), EXPIRIES)
@pytest.mark.parametrize("entity", sorted(KEYS))
def test_an_expiry_that_is_set_moved_or_taken_back_is_a_change_of_every_entity_but_a_run(
    entity: str, old: dict[str, Any], new: dict[str, Any]
) -> None:
    made = record(entity, "MODIFY", old=old, new=new)
    relevant = entity not in {"COMPACTION_RUN", "RECEIPT_LETTER", "LINE"}

    assert is_relevant(made) is relevant
    if not relevant:
        return
    assert lets_through(made)
    first, *_ = messages = build_messages_from_records([made])
    assert (first.entity_type, first.event_name) == (entity, "MODIFY")
    assert set(first.changes) == {"TimeToLive"}
    assert build_messages_from_records([trim(made)]) == messages


@pytest.mark.domain("expiry-signal", "arrived")
@pytest.mark.parametrize("entity", ["RECEIPT", "RECEIPT_LINE", "RECEIPT_WORD"])
@pytest.mark.parametrize(("old", "new"), EXPIRIES)
def test_a_receipt_line_or_word_that_lives_longer_arrives_too(
    entity: str, old: dict[str, Any], new: dict[str, Any]
) -> None:
    """It may have counted as gone, and vectors merged long ago may be due again."""
    messages = build_messages_from_records([record(entity, "MODIFY", old=old, new=new)])
    longer = "TimeToLive" in old and old["TimeToLive"] < new.get("TimeToLive", 5_000_000_000)

    assert [one.event_name for one in messages] == ["MODIFY", *["INSERT"] * longer]
    assert len({one.identity for one in messages}) == len(messages)


@pytest.mark.domain("expiry-signal")
@pytest.mark.parametrize("expiry", [{"S": "1000000000"}, {"NULL": True}, {"N": "soon"}, "never", 7])
def test_an_expiry_that_is_no_number_is_none_as_dynamodb_has_it(expiry: Any) -> None:
    before = item(PK, KEYS["RECEIPT_METADATA"], "RECEIPT_METADATA", place_id="a")
    after = {**before, "TimeToLive": expiry}

    assert not is_relevant(stream_record("MODIFY", PK, before["SK"]["S"], old=before, new=after))


def with_phone(event: str, old: Any, new: Any, **more: str) -> dict[str, Any]:
    """A record of metadata whose phone_number is these attributes, None for none."""
    bare = item(PK, KEYS["RECEIPT_METADATA"], "RECEIPT_METADATA", merchant_name="a")
    old_image = bare if old is None else {**bare, "phone_number": old}
    new_image = {**(bare if new is None else {**bare, "phone_number": new})}
    new_image |= {name: {"S": value} for name, value in more.items()}
    return stream_record(
        event,
        PK,
        bare["SK"]["S"],
        old=None if event == "INSERT" else old_image,
        new=None if event == "REMOVE" else new_image,
    )


OTHER_TYPES: list[Any] = [
    {"B": "AQ=="},
    {"SS": ["1", "2"]},
    {"L": [{"S": "1"}]},
    {"M": {}},
    {"BOOL": True},
    {"NULL": False},
    {"S": "1", "N": "1"},
    "bare",
]


@pytest.mark.domain("number-is-text")
def test_a_number_is_the_text_it_is_written_as() -> None:
    (message,) = build_messages_from_records([with_phone("INSERT", None, {"N": "5551234567"})])

    assert message.changes["phone_number"].new == "5551234567"
    assert not is_relevant(with_phone("MODIFY", {"N": "555"}, {"S": "555"}))


@pytest.mark.domain("other-types")
@pytest.mark.parametrize("other", OTHER_TYPES)
def test_a_field_of_another_type_is_rejected_by_its_name(other: Any) -> None:
    for made in (
        with_phone("INSERT", None, other),
        with_phone("MODIFY", {"S": "555"}, other),
        with_phone("MODIFY", other, other, merchant_name="b"),
    ):
        with pytest.raises(RecordRejected, match="attribute phone_number is "):
            is_relevant(made)


@pytest.mark.domain("other-types", "relevance-first")
@pytest.mark.parametrize("other", OTHER_TYPES)
def test_a_field_of_another_type_that_goes_or_is_put_right_is_a_change(other: Any) -> None:
    """The record that brought it was rejected, so the embeddings may carry what was before it."""
    for made in (
        with_phone("MODIFY", other, {"S": "555"}),
        with_phone("MODIFY", other, None),
        with_phone("REMOVE", other, None),
    ):
        assert is_relevant(made)
        trimmed = trim(made)
        assert build_messages_from_records([trimmed]) == build_messages_from_records([made])
        assert build_messages_from_records([trim(trimmed)]) != []


@pytest.mark.domain("relevance-first", "run-write-back")
@pytest.mark.parametrize(
    "made",
    [
        with_phone("MODIFY", {"B": "AQ=="}, {"B": "AQ=="}, seen="2"),
        stream_record("MODIFY", PK, KEYS["COMPACTION_RUN"]),
        stream_record("REMOVE", PK, KEYS["COMPACTION_RUN"], old={"words_delta_prefix": 7}),
        stream_record("MODIFY", PK, KEYS["COMPACTION_RUN"], new={"lines_delta_prefix": {"L": []}}),
        {**stream_record("MODIFY", PK, KEYS["RECEIPT_LETTER"]), "eventName": "UPSERT"},
        stream_record("MODIFY", PK, KEYS["LINE"], old={"text": 7}),
    ],
)
def test_what_cannot_matter_is_never_rejected_for_what_it_holds(made: dict[str, Any]) -> None:
    assert not is_relevant(made)
    assert build_messages_from_records([made]) == []


@pytest.mark.domain("relevance-first")
@pytest.mark.parametrize(
    "entity", [entity for entity, event, ok in RULES if event == "REMOVE" and ok]
)
def test_that_something_went_is_said_by_its_key_alone(entity: str) -> None:
    bare = stream_record("REMOVE", PK, KEYS[entity])

    (message,) = build_messages_from_records([bare])
    assert (message.entity_type, message.event_name) == (entity, "REMOVE")
    broken = {**bare, "dynamodb": {**bare["dynamodb"], "OldImage": "broken"}}
    assert build_messages_from_records([trim(broken)]) == [message]


@pytest.mark.domain("relevance-first")
@pytest.mark.parametrize("entity", ["RECEIPT", "RECEIPT_METADATA", "RECEIPT_WORD_LABEL"])
def test_a_modify_without_images_is_poison_not_a_guess(entity: str) -> None:
    image = item(PK, KEYS[entity], entity)
    for old, new in ((None, None), (image, None), (None, image)):
        with pytest.raises(RecordRejected, match="NEW_AND_OLD_IMAGES"):
            is_relevant(stream_record("MODIFY", PK, KEYS[entity], old=old, new=new))
