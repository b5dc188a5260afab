"""Bodies of the queue that are no stream records: the domain's own, and the older delta notice.

The shapes are docs/domain.md, "Messages in the queue"; all of it comes from outside.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from instep.domain import RecordRejected
from receipt_dynamo_stream.entities import FEEDING, RUN_FIELDS
from receipt_dynamo_stream.keys import LONGEST_PK, LONGEST_SK, EntityKey, fits
from receipt_dynamo_stream.messages import ChromaDBCollection, FieldChange, StreamMessage
from receipt_dynamo_stream.stream import BOTH, EVENTS, FED, delta_prefix

_IDS: Final[Mapping[str, tuple[str, ...]]] = {
    "RECEIPT": (),
    "RECEIPT_METADATA": (),
    "RECEIPT_PLACE": (),
    "RECEIPT_LINE": ("line_id",),
    "RECEIPT_WORD": ("line_id", "word_id"),
    "RECEIPT_WORD_LABEL": ("line_id", "word_id"),
    "COMPACTION_RUN": (),
}
_LARGEST: Final = 10**18  # a key's number has at most 18 digits
_EXPECTED: Final = (
    "expected a stream record (with `dynamodb`), a message (with `entity_type` and `entity_data`) "
    "or a delta notice (with `delta_key` and `collection`)"
)


def message_of_body(body: Mapping[str, Any], attribute: str | None) -> list[StreamMessage]:
    """Return the messages of a body; `attribute` is the SQS attribute `collection`, if any.

    RecordRejected with the reason when it has no known shape.
    """
    if "delta_key" in body:
        return [_delta_notice(body, attribute)]
    if "entity_type" in body:
        return _domain_messages(body, attribute)
    raise RecordRejected(f"unknown keys {sorted(map(str, body))!r:.120}: {_EXPECTED}")


def collections_named(names: Iterable[Any]) -> tuple[ChromaDBCollection, ...]:
    """Return the collections of these names, in order; RecordRejected for another name."""
    known = {collection.value: collection for collection in BOTH}
    given = list(names)
    for name in given:
        if not isinstance(name, str) or name not in known:
            raise RecordRejected(f"collection {name!r:.80} is unknown: lines and words are known")
    return tuple(known[name] for name in dict.fromkeys(given))


def _domain_messages(body: Mapping[str, Any], attribute: str | None) -> list[StreamMessage]:
    entity_type, event_name = body["entity_type"], body.get("event_name")
    if not isinstance(entity_type, str) or entity_type not in FEEDING:
        raise RecordRejected(f"entity_type {entity_type!r:.80} is unknown")
    if event_name not in EVENTS:
        raise RecordRejected(f"event_name is {event_name!r:.80}, expected {', '.join(EVENTS)}")
    if entity_type == "COMPACTION_RUN" and event_name != "INSERT":
        return []
    data = _entity_data(entity_type, body.get("entity_data"))
    changes = _changes(body.get("changes"))
    fed = _collections(entity_type, data, body, attribute)
    each = [(one,) for one in fed] if entity_type == "COMPACTION_RUN" else [fed]
    return [
        StreamMessage(
            entity_type=entity_type,
            entity_data=_with_prefix(data, collections),
            changes=changes,
            event_name=event_name,
            collections=collections,
            source=_text(body, "source") or "dynamodb_stream",
            timestamp=_text(body, "timestamp"),
            stream_record_id=_text(body, "stream_record_id"),
            aws_region=_text(body, "aws_region"),
        )
        for collections in each
    ]


def _delta_notice(body: Mapping[str, Any], attribute: str | None) -> StreamMessage:
    prefix = body["delta_key"]
    if not isinstance(prefix, str) or not prefix:
        raise RecordRejected("delta_key is no S3 prefix")
    name = body.get("collection") or attribute
    kept = {name: body[name] for name in ("database", "vector_count", "batch_id") if name in body}
    return StreamMessage(
        entity_type="COMPACTION_RUN",
        entity_data={"delta_s3_prefix": delta_prefix("delta_key", prefix), **kept},
        changes={},
        event_name="INSERT",
        collections=collections_named([name]),
        source="delta_notice",
        timestamp=_text(body, "timestamp"),
    )


def _collections(
    entity_type: str, data: Mapping[str, Any], body: Mapping[str, Any], attribute: str | None
) -> tuple[ChromaDBCollection, ...]:
    """Return what the message is for: the attribute, the body's list, or what its type feeds."""
    listed = body.get("collections")
    if attribute is not None:
        named = collections_named([attribute])
    elif listed is not None:
        if not isinstance(listed, list) or not listed:
            raise RecordRejected("`collections` is no list of names")
        named = collections_named(listed)
    elif entity_type == "COMPACTION_RUN":
        named = tuple(one for one in BOTH if _prefix(data, one, alone=False))
    else:
        return FED[entity_type]
    useless = [one.value for one in named if one not in FED[entity_type]]
    if useless:
        raise RecordRejected(f"{entity_type} feeds no collection {', '.join(useless)}")
    missing = [
        one.value for one in named if entity_type == "COMPACTION_RUN" and not _prefix(data, one)
    ]
    if missing or not named:
        raise RecordRejected(f"COMPACTION_RUN without a delta prefix for {', '.join(missing)}")
    return named


def _prefix(data: Mapping[str, Any], collection: ChromaDBCollection, alone: bool = True) -> str:
    """Return a collection's delta prefix; `alone`: the message is for one collection only."""
    prefix = data.get(f"{collection.value}_delta_prefix")
    if not prefix and alone:
        prefix = data.get("delta_s3_prefix")
    return prefix if isinstance(prefix, str) else ""


def _with_prefix(
    data: Mapping[str, Any], collections: tuple[ChromaDBCollection, ...]
) -> Mapping[str, Any]:
    if data["entity_type"] != "COMPACTION_RUN":
        return data
    return {**data, "delta_s3_prefix": _prefix(data, collections[0])}


def _entity_data(entity_type: str, data: Any) -> dict[str, Any]:
    """Return the ids, checked, and a run's prefixes; what else `data` holds is not carried on."""
    if not isinstance(data, Mapping):
        raise RecordRejected("entity_data is no object")
    numbers = {name: _number(name, data.get(name)) for name in ("receipt_id", *_IDS[entity_type])}
    key = EntityKey(
        entity_type,
        _id(data, "image_id"),
        **numbers,
        label=_id(data, "label").upper() if entity_type == "RECEIPT_WORD_LABEL" else None,
        run_id=_id(data, "run_id") if entity_type == "COMPACTION_RUN" else None,
    )
    if not fits(f"IMAGE#{key.image_id}", LONGEST_PK) or not fits(key.sort_key(), LONGEST_SK):
        raise RecordRejected(f"entity_data names {key!r:.200}, no key that DynamoDB can hold")
    if entity_type != "COMPACTION_RUN":
        return key.data()
    prefixes = {
        name: delta_prefix(name, data[name])
        for name in (*RUN_FIELDS, "delta_s3_prefix")
        if isinstance(data.get(name), str) and data[name]
    }
    return {**key.data(), **prefixes}


def _id(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise RecordRejected(f"entity_data.{name} is no text")
    return value


def _number(name: str, value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 18:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _LARGEST:
        raise RecordRejected(f"entity_data.{name} is {value!r:.80}, expected a whole number")
    return value


def _changes(changes: Any) -> dict[str, FieldChange]:
    if changes is None:
        return {}
    if not isinstance(changes, Mapping):
        raise RecordRejected("changes is no object")
    read = {}
    for name, change in changes.items():
        if not isinstance(change, Mapping):
            raise RecordRejected(f"changes.{name!r:.80} is no object with old and new")
        read[str(name)] = FieldChange(change.get("old"), change.get("new"))
    return read


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) else None
