"""From deliveries and input to a batch: what is taken, what is poison, what is done with."""

import json
from typing import Any

import pytest

from instep.flow.envelope import BYTES_PER_MESSAGE, Delivery
from instep.flow.parking import fetch_deliveries, park
from instep.flow.screening import screen
from instep.lambda_.intake import Intake, take_in
from instep.metrics import NoMetrics
from receipt_domain import DOMAIN as RECEIPTS
from tests.support.items import Paper, record
from tests.support.parking import Shelf
from tests.support.receipts import Receipt

RECEIPT = Receipt("image-1")
LABEL = record(RECEIPT.label(1, "TOTAL", "VALID"), sequence="1")
LABEL_LATER = record(
    RECEIPT.label(1, "TOTAL", "INVALID"), RECEIPT.label(1, "TOTAL", "VALID"), sequence="2"
)
METADATA = record(RECEIPT.metadata(merchant_name="shop"), sequence="3")
LETTER = record(
    {
        **RECEIPT.label(1, "X", "VALID"),
        "SK": {"S": "RECEIPT#00001#LINE#00001#WORD#00001#LETTER#00001"},
    }
)
DOMAIN = {
    "source": "dynamodb_stream",
    "entity_type": "RECEIPT_WORD_LABEL",
    "entity_data": {
        "entity_type": "RECEIPT_WORD_LABEL",
        "image_id": "image-1",
        "receipt_id": 1,
        "line_id": 1,
        "word_id": 1,
        "label": "TOTAL",
    },
    "changes": {},
    "event_name": "MODIFY",
}


def delivery(*records: Any, body: str | None = None, **attributes: str) -> Delivery:
    text = body if body is not None else json.dumps({"Records": records})
    return Delivery("m-1", "h-1", text, attributes, int(attributes.get("attempts", 0)))


def taken(*deliveries: Delivery, records: Any = ()) -> Intake:
    return take_in(records, deliveries, RECEIPTS, NoMetrics())


def kept(intake: Intake) -> list[Any]:
    """Return the records as SettleBatch finds them."""
    shelf = Shelf()
    reference, _ = park(shelf, "round", intake.held, intake.records, intake.batches)
    return [json.loads(record) for record in fetch_deliveries(shelf, reference).records()]


def test_two_signals_about_one_label_are_one_entry_of_two_records() -> None:
    intake = taken(delivery(LABEL, LABEL_LATER))
    (entry,) = intake.batches["words"]
    assert entry.origins == (0, 1)
    assert entry.at == "2026-01-01T00:00:00+00:00"
    assert "lines" not in intake.batches


def test_metadata_feeds_both_collections() -> None:
    assert list(taken(delivery(METADATA)).batches) == ["lines", "words"]


def test_a_restricted_delivery_feeds_its_collection_alone() -> None:
    assert list(taken(delivery(METADATA, collection="words")).batches) == ["words"]


@pytest.mark.parametrize("collection", ["lines", "no such collection"])
def test_a_restriction_to_what_the_record_does_not_feed_is_poison(collection: str) -> None:
    (rejection,) = taken(delivery(LABEL, collection=collection)).poison
    assert collection in rejection.reason
    assert json.loads(str(rejection.record)) == LABEL


@pytest.mark.domain("message-body")
def test_a_domain_message_is_taken_with_its_attribute() -> None:
    intake = taken(delivery(body=json.dumps(DOMAIN), collection="words"))
    assert list(intake.batches) == ["words"]
    (record,) = kept(intake)
    assert json.loads(record["body"]) == DOMAIN


@pytest.mark.domain("bad-record")
@pytest.mark.invariant(1, 8)
def test_one_bad_record_does_not_take_its_message_with_it() -> None:
    intake = taken(delivery(LABEL, {"eventName": "INSERT", "dynamodb": 7}, "text", attempts="2"))
    assert [json.loads(str(rejection.record)) for rejection in intake.poison] == [
        {"eventName": "INSERT", "dynamodb": 7},
        "text",
    ]
    assert {(one.message_id, one.attempts) for one in intake.poison} == {("m-1", 2)}
    assert len(intake.batches["words"]) == 1
    assert intake.finished == []


@pytest.mark.parametrize("body", ["no json", "[]", "7", '{"Records": {}}', '{"Records": 7}', ""])
def test_a_body_of_no_known_shape_is_poison(body: str) -> None:
    intake = taken(delivery(body=body))
    (rejection,) = intake.poison
    assert json.loads(str(rejection.record))["body"] == body
    assert intake.finished == ["h-1"]


def test_a_delivery_that_nothing_follows_from_is_finished() -> None:
    intake = taken(delivery(LETTER), delivery(body='{"Records": []}'))
    assert intake.finished == ["h-1", "h-1"]
    assert not intake.batches
    assert not intake.poison


@pytest.mark.parametrize("spelling", ["Lambda", "ReceiveMessage"])
def test_a_wrapped_inbox_message_in_the_input_is_unpacked_with_its_restriction(
    spelling: str,
) -> None:
    body = json.dumps({"Records": [METADATA, "poison"]})
    wrapped = (
        {"body": body, "messageAttributes": {"collection": {"stringValue": "words"}}}
        if spelling == "Lambda"
        else {"Body": body, "MessageAttributes": {"collection": {"StringValue": "words"}}}
    )
    intake = taken(records=[wrapped])
    assert list(intake.batches) == ["words"]
    assert intake.held == []
    assert kept(intake) == [METADATA]
    assert [one.record for one in intake.poison] == ['"poison"']


@pytest.mark.parametrize("attributes", [[], 7, {"collection": 7}, {"collection": {}}, None])
def test_attributes_of_no_known_shape_restrict_nothing(attributes: Any) -> None:
    wrapped = {"body": json.dumps({"Records": [METADATA]}), "messageAttributes": attributes}
    assert list(taken(records=[wrapped]).batches) == ["lines", "words"]


LARGE = {"raw_text": "x" * BYTES_PER_MESSAGE}
PAPER = Paper("image-1")
DOMAIN_LARGE = {**DOMAIN, "changes": {"reasoning": {"old": None, "new": LARGE["raw_text"]}}}


@pytest.mark.parametrize(
    ("given", "fed"),
    [
        (record(PAPER.metadata(merchant_name="shop", **LARGE)), ["lines", "words"]),
        (record(PAPER.label(1, 2, "a, b#c", "VALID", **LARGE)), ["words"]),
        (record(None, PAPER.receipt(**LARGE)), ["lines", "words"]),
        (record(None, PAPER.line(1, **LARGE)), ["lines"]),
        (record(None, PAPER.place(**LARGE)), ["lines", "words"]),
        (record(PAPER.run(**LARGE)), ["lines", "words"]),
        ({"body": json.dumps(DOMAIN_LARGE)}, ["words"]),
    ],
)
@pytest.mark.invariant(1)
def test_what_a_message_cannot_carry_again_is_kept_as_its_signals(
    given: Any, fed: list[str]
) -> None:
    """So it can wait, and come back, however large it came."""
    first = taken(records=[given])
    assert list(first.batches) == fed
    signals = kept(first)
    assert all(len(json.dumps(one)) < 1_500 for one in signals)
    again = taken(delivery(*signals))
    assert again.batches.keys() == first.batches.keys()
    for collection in fed:
        assert [one.message for one in again.batches[collection]] == [
            one.message for one in first.batches[collection]
        ]
    for collection in fed:
        restricted = taken(delivery(*signals, collection=collection))
        assert collection in restricted.batches


def test_a_large_delta_notice_is_kept_as_it_is_for_it_is_about_no_entity() -> None:
    notice = {"delta_key": "words/delta/1", "collection": "words", "more": LARGE["raw_text"]}
    assert kept(taken(records=[{"body": json.dumps(notice)}])) == [{"body": json.dumps(notice)}]


def test_a_message_says_which_entity_changed_and_not_how() -> None:
    (entry,) = taken(delivery(LABEL_LATER)).batches["words"]
    assert entry.message["changes"] == {}
    assert entry.message["entity_data"]["label"] == "TOTAL"


def test_what_is_too_much_for_one_round_is_left_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("instep.lambda_.intake.WORK_PER_ROUND", 3)
    deliveries = [
        Delivery(f"m{at}", f"h{at}", json.dumps({"Records": [LABEL] * 2}), {}, 0) for at in range(4)
    ]
    intake = take_in([], deliveries, RECEIPTS, NoMetrics())
    assert [(one.handle, one.first, one.records) for one in intake.held] == [
        ("h0", 0, 2),
        ("h1", 2, 2),
    ]
    assert intake.left_over == ["h2", "h3"]


def test_what_runs_bring_is_bounded_too() -> None:
    """Their vectors are the work, and only ApplyUpdates will know how many."""
    runs = [record(Receipt(f"image-{at}").run()) for at in range(300)]
    deliveries = [
        Delivery(f"m{at}", f"h{at}", json.dumps({"Records": runs[at : at + 50]}), {}, 0)
        for at in range(0, 300, 50)
    ]
    intake = take_in([], deliveries, RECEIPTS, NoMetrics())
    assert sum(one.records for one in intake.held) == 150
    assert len(intake.left_over) == 3


def test_a_delivery_with_poison_in_it_is_no_longer_whole() -> None:
    intake = taken(delivery(LABEL), delivery(METADATA, "poison"), delivery(LETTER, LABEL))
    assert [(one.first, one.records, one.is_whole) for one in intake.held] == [
        (0, 1, True),
        (1, 1, False),
        (2, 1, True),
    ]


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.domain("bad-record")
@pytest.mark.parametrize("levels", [101, 700, 5_000, 100_000])
@pytest.mark.parametrize("shape", ["bare", "in body", "in attributes", "beside a good body"])
def test_a_record_nested_to_any_depth_is_poison_at_worst(levels: int, shape: str) -> None:
    deep, good = nested(levels), json.dumps(LABEL)
    records = {
        "bare": [deep, {"dynamodb": deep}, {"eventName": "INSERT", "dynamodb": {"Keys": deep}}],
        "in body": [{"body": deep}, {"body": "[" * levels}, {"Body": {"Records": deep}}],
        "in attributes": [{"body": "{}", "messageAttributes": {"collection": deep}}],
        "beside a good body": [{"body": good, "more": deep}],
    }[shape]
    intake = taken(records=[*records, LABEL])
    assert list(intake.batches) == ["words"]
    if shape != "beside a good body":
        assert len(intake.poison) == len(records)
    for one in intake.poison:
        assert json.loads(str(one.record)) is not None


@pytest.mark.parametrize(
    "item", [None, 7, True, "text", [], [[]], {}, {"body": None}, {"body": 7}, {"body": [LABEL]}]
)
def test_an_item_of_any_kind_in_the_input_is_poison_and_no_error(item: Any) -> None:
    intake = taken(records=[item, LABEL])
    assert len(intake.poison) == 1
    assert list(intake.batches) == ["words"]


def test_screening_keeps_trims_skips_and_sets_poison_aside() -> None:
    screened = screen([LABEL, LETTER, {"eventName": "INSERT"}, METADATA], RECEIPTS)
    assert len(screened.kept) == 2
    assert screened.skipped == 1
    (poison,) = screened.poison
    assert poison.record == {"eventName": "INSERT"}
    assert list(taken(delivery(*screened.kept)).batches) == ["lines", "words"]


@pytest.mark.invariant(1)
@pytest.mark.domain("bad-record")
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_body_of_too_many_records_is_one_bad_record(wrapped: bool) -> None:
    """A message may hold one every second byte, and each would be a message of the DLQ."""
    crowd = f'{{"Records":[{"1," * 100_000}1]}}'
    good = delivery(LABEL)
    intake = (
        taken(good, records=[{"body": crowd}]) if wrapped else taken(delivery(body=crowd), good)
    )
    (poison,) = intake.poison
    assert "no list of at most 1000" in poison.reason
    assert kept(intake) == [LABEL]
