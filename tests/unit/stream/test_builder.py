"""docs/domain.md, "Messages in the queue": every accepted spelling, and what is poison."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receipt_dynamo_stream import (
    ChromaDBCollection,
    RecordRejected,
    StreamMessage,
    build_messages_from_records,
    parse_record,
)
from tests.support.items import item, stream_record
from tests.support.metrics import Counts

PK, SK = "IMAGE#7c1f", "RECEIPT#00001#LINE#00002#WORD#00003#LABEL#TOTAL"
LABEL = stream_record(
    "INSERT", PK, SK, new=item(PK, SK, "RECEIPT_WORD_LABEL", validation_status="VALID")
)
BOTH = (ChromaDBCollection.LINES, ChromaDBCollection.WORDS)
METADATA_BODY = {
    "source": "dynamodb_stream",
    "entity_type": "RECEIPT_METADATA",
    "entity_data": {"entity_type": "RECEIPT_METADATA", "image_id": "7c1f", "receipt_id": 1},
    "changes": {"merchant_name": {"old": "A", "new": "B"}},
    "event_name": "MODIFY",
    "timestamp": "2025-12-15T00:00:00+00:00",
    "stream_record_id": "e1",
    "aws_region": "us-east-1",
}


def wrapped(body: Any, collection: str | None = None) -> dict[str, Any]:
    attributes = {"collection": {"stringValue": collection, "dataType": "String"}}
    text = body if isinstance(body, str) else json.dumps(body)
    return {"messageId": "m1", "body": text, "messageAttributes": attributes if collection else {}}


def received(body: Any, collection: str) -> dict[str, Any]:
    attributes = {"collection": {"StringValue": collection, "DataType": "String"}}
    return {"MessageId": "m1", "Body": json.dumps(body), "MessageAttributes": attributes}


@pytest.mark.domain("entity-data", "label-name")
def test_a_raw_stream_record() -> None:
    (message,) = parse_record(LABEL)

    assert message.entity_type == "RECEIPT_WORD_LABEL"
    assert message.entity_data == {
        "entity_type": "RECEIPT_WORD_LABEL",
        "image_id": "7c1f",
        "receipt_id": 1,
        "line_id": 2,
        "word_id": 3,
        "label": "TOTAL",
    }
    assert message.collections == (ChromaDBCollection.WORDS,)
    assert message.event_name == "INSERT"
    assert message.timestamp == "2026-01-01T00:00:00+00:00"
    assert message.aws_region == "us-east-1"
    assert message.changes["validation_status"].new == "VALID"


@pytest.mark.domain("message-body", "entity-data")
@pytest.mark.parametrize(
    ("entity", "ids"),
    [
        ("RECEIPT_METADATA", {}),
        ("RECEIPT_PLACE", {}),
        ("RECEIPT_WORD_LABEL", {"line_id": 2, "word_id": 3, "label": "TOTAL"}),
    ],
)
def test_a_message_is_the_body_of_the_contract_and_is_read_as_one(
    entity: str, ids: dict[str, Any]
) -> None:
    sk = {"RECEIPT_METADATA": "RECEIPT#00001#METADATA", "RECEIPT_PLACE": "RECEIPT#00001#PLACE"}
    new = item(PK, sk.get(entity, SK), entity, merchant_name="Shop", validation_status="VALID")
    (message,) = parse_record(stream_record("INSERT", PK, new["SK"]["S"], new=new))
    body = json.loads(json.dumps(message.to_payload()))

    assert body.keys() - {"collections"} == METADATA_BODY.keys()
    assert body["source"] == "dynamodb_stream"
    assert body["entity_data"] == {
        "entity_type": entity,
        "image_id": "7c1f",
        "receipt_id": 1,
        **ids,
    }
    assert all(change.keys() == {"old", "new"} for change in body["changes"].values())
    assert parse_record({"body": json.dumps(body)}) == [message]


@pytest.mark.domain("entity-data", "compaction-run")
def test_a_run_gives_one_message_a_collection_that_has_a_delta() -> None:
    sk = "RECEIPT#00001#COMPACTION_RUN#r1"
    run = item(PK, sk, "COMPACTION_RUN", lines_delta_prefix="l/", words_delta_prefix="w/")
    lines, words = parse_record(stream_record("INSERT", PK, sk, new=run))

    assert (lines.collections, words.collections) == ((BOTH[0],), (BOTH[1],))
    assert lines.entity_data["delta_s3_prefix"] == "l/"
    assert words.entity_data["delta_s3_prefix"] == "w/"
    assert lines.changes == {}
    only = item(PK, sk, "COMPACTION_RUN", lines_delta_prefix="l/", words_delta_prefix=None)
    assert len(parse_record(stream_record("INSERT", PK, sk, new=only))) == 1


@pytest.mark.domain("spellings")
@pytest.mark.parametrize("spelled", [wrapped, received])
def test_an_sqs_message_in_either_spelling(spelled: Any) -> None:
    (message,) = parse_record(spelled(METADATA_BODY, "lines"))

    assert message.collections == (ChromaDBCollection.LINES,)
    assert message.changes["merchant_name"].new == "B"
    assert message.stream_record_id == "e1"


@pytest.mark.domain("which-collection")
def test_a_missing_collection_is_derived_and_a_list_in_the_body_is_taken() -> None:
    assert parse_record(wrapped(METADATA_BODY))[0].collections == BOTH
    listed = {**METADATA_BODY, "collections": ["words"]}
    assert parse_record(wrapped(listed))[0].collections == (ChromaDBCollection.WORDS,)


@pytest.mark.domain("other-sources")
def test_another_source_is_taken_too() -> None:
    (message,) = parse_record(wrapped({**METADATA_BODY, "source": "backfill"}))

    assert message.source == "backfill"


@pytest.mark.domain("delta-notice")
def test_the_older_delta_notice_is_a_merge() -> None:
    notice = {
        "delta_key": "delta/ab12/",
        "collection": "words",
        "database": "words",
        "vector_count": 10,
        "timestamp": "2025-01-01T00:00:00",
        "batch_id": "b",
    }
    (message,) = parse_record(wrapped(notice))

    assert message.entity_type == "COMPACTION_RUN"
    assert message.entity_data["delta_s3_prefix"] == "delta/ab12/"
    assert message.collections == (ChromaDBCollection.WORDS,)
    other = parse_record(wrapped({**notice, "delta_key": "delta/ab13/"}))[0]
    assert message.identity != other.identity


@pytest.mark.domain("mixed-list", "bad-record")
def test_raw_and_wrapped_records_may_share_a_list_and_a_bad_one_takes_none_with_it() -> None:
    counts = Counts()
    records: list[Any] = [
        LABEL,
        wrapped("{not json"),
        wrapped({"Records": [LABEL, LABEL]}, "words"),
        "noise",
        wrapped(METADATA_BODY),
    ]
    messages = build_messages_from_records(records, counts)

    assert [message.entity_type for message in messages] == [
        "RECEIPT_WORD_LABEL",
        "RECEIPT_WORD_LABEL",
        "RECEIPT_WORD_LABEL",
        "RECEIPT_METADATA",
    ]
    assert counts == {"CompactionMessageParseError": 2, "CompactionStreamMessage": 4}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "unknown keys"),
        (wrapped("[]"), "no JSON object"),
        (wrapped({"Records": {}}), "no list"),
        (wrapped(METADATA_BODY, "letters"), "'letters' is unknown"),
        ({**METADATA_BODY, "entity_type": "LETTER"}, "entity_type 'LETTER'"),
        ({**METADATA_BODY, "event_name": "UPSERT"}, "event_name is 'UPSERT'"),
        ({**METADATA_BODY, "entity_data": {"image_id": "x", "receipt_id": True}}, "receipt_id"),
        ({**METADATA_BODY, "entity_data": {"image_id": "", "receipt_id": 1}}, "image_id"),
        ({**METADATA_BODY, "changes": {"x": 1}}, "old and new"),
        ({"delta_key": "", "collection": "words"}, "no S3 prefix"),
        ({**LABEL, "eventName": "UPSERT"}, "eventName is 'UPSERT'"),
        ({"eventName": "INSERT", "dynamodb": {}}, "Keys` is missing"),
        ({"eventName": "INSERT", "dynamodb": {"Keys": {"PK": {"N": "1"}}}}, "PK` is no string"),
    ],
)
def test_poison_says_why(record: Any, reason: str) -> None:
    with pytest.raises(RecordRejected, match=reason):
        parse_record(record)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=3)
            | st.sampled_from(["dynamodb", "body", "Keys", "PK", "SK", "S", "eventName", "Records"])
            | st.sampled_from(["entity_type", "entity_data", "delta_key", "collection", "changes"]),
            inner
            | st.sampled_from(["INSERT", "REMOVE", "IMAGE#1", "RECEIPT#00001", "RECEIPT", "words"]),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_any_json_gives_messages_or_a_reason(record: Any) -> None:
    for one in (record, wrapped(record)):
        try:
            messages = parse_record(one)
        except RecordRejected:
            continue
        for message in messages:
            payload = json.loads(json.dumps(message.to_payload()))
            assert StreamMessage.from_payload(payload).identity == message.identity


def test_signals_of_one_entity_share_an_identity_and_others_do_not() -> None:
    gone = stream_record("REMOVE", PK, SK, old=LABEL["dynamodb"]["NewImage"])
    other = stream_record("REMOVE", PK, SK + "S", old=LABEL["dynamodb"]["NewImage"])
    label, removed, another = (parse_record(one)[0].identity for one in (LABEL, gone, other))

    assert label == removed
    assert label != another


@pytest.mark.domain("arrived")
def test_all_arrivals_of_a_receipt_share_an_identity_that_nothing_else_has() -> None:
    word = "RECEIPT#00001#LINE#00002#WORD#00003"
    keys = {
        "RECEIPT": "RECEIPT#00001",
        "RECEIPT_LINE": "RECEIPT#00001#LINE#00002",
        "RECEIPT_WORD": word,
    }

    def identities(event: str, pk: str = PK, number: str = "00001") -> dict[str, str]:
        found = {}
        for entity, sk in keys.items():
            sk = sk.replace("RECEIPT#00001", f"RECEIPT#{number}")
            image = item(pk, sk, entity)
            new = None if event == "REMOVE" else image
            old = None if event == "INSERT" else item(pk, sk, entity, TimeToLive=1)
            (message, *_) = parse_record(stream_record(event, pk, sk, old=old, new=new))
            found[entity] = message.identity
        return found

    arrived = set(identities("INSERT").values())
    assert len(arrived) == 1
    assert identities("REMOVE") == identities("MODIFY")
    assert len(set(identities("REMOVE").values()) | arrived) == 4
    assert not arrived & set(identities("INSERT", number="00010").values())
    assert not arrived & set(identities("INSERT", pk="IMAGE#7c1").values())


@pytest.mark.domain("arrived")
def test_an_arrival_keeps_its_own_entity_and_feeds_what_that_feeds() -> None:
    word = "RECEIPT#00001#LINE#00002#WORD#00003"
    new = item(PK, word, "RECEIPT_WORD", text="milk")
    (message,) = parse_record(stream_record("INSERT", PK, word, new=new))

    assert (message.entity_type, message.event_name) == ("RECEIPT_WORD", "INSERT")
    assert message.collections == (ChromaDBCollection.WORDS,)
    assert message.is_arrival
    assert message.entity_data["word_id"] == 3
    assert parse_record({"body": json.dumps(message.to_payload())}) == [message]
