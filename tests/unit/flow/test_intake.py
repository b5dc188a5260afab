"""From deliveries and input to a batch: what is taken, what is poison, what is done with."""

import json
from typing import Any

import pytest

from entrypoint.intake import Intake, take_in
from entrypoint.screening import screen
from instep.envelope import Delivery
from instep.metrics import NoMetrics
from instep.parking import fetch_deliveries, park
from tests.support.items import record
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
    return take_in(records, deliveries, NoMetrics())


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
@pytest.mark.invariant(1)
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


def test_screening_keeps_trims_skips_and_sets_poison_aside() -> None:
    screened = screen([LABEL, LETTER, {"eventName": "INSERT"}, METADATA])
    assert len(screened.kept) == 2
    assert screened.skipped == 1
    (poison,) = screened.poison
    assert poison.record == {"eventName": "INSERT"}
    assert list(taken(delivery(*screened.kept)).batches) == ["lines", "words"]
