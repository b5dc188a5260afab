"""One record of the table's stream: is it relevant, what of it matters, which messages it gives.

The rules are docs/domain.md, "A record is relevant when"; an item past its TTL is a REMOVE like
any other. What has no place here (letters, image-level lines, other partitions) is no error.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from receipt_dynamo_stream.changes import get_chromadb_relevant_changes, may_matter
from receipt_dynamo_stream.entities import FEEDING, RUN_FIELDS, RecordRejected, read_fields
from receipt_dynamo_stream.keys import LONGEST_PK, LONGEST_SK, EntityKey, fits, parse_key
from receipt_dynamo_stream.messages import ChromaDBCollection, FieldChange, StreamMessage

EVENTS: Final = ("INSERT", "MODIFY", "REMOVE")
BOTH: Final = (ChromaDBCollection.LINES, ChromaDBCollection.WORDS)
FED: Final[Mapping[str, tuple[ChromaDBCollection, ...]]] = {
    "RECEIPT": BOTH,
    "RECEIPT_LINE": (ChromaDBCollection.LINES,),
    "RECEIPT_WORD": (ChromaDBCollection.WORDS,),
    "RECEIPT_METADATA": BOTH,
    "RECEIPT_PLACE": BOTH,
    "RECEIPT_WORD_LABEL": (ChromaDBCollection.WORDS,),
    "COMPACTION_RUN": BOTH,
}
"""Which collections an entity feeds."""

_LONGEST_PREFIX: Final = 1093  # bytes: `s3://`, a bucket of 63, `/` and a key of 1024
_LONG: Final = 1100  # characters; a longer value is queued as what shows that it differs


@dataclass(frozen=True)
class StreamRecord:
    """A readable record of a mirrored entity."""

    key: EntityKey
    event_name: str
    changes: Mapping[str, FieldChange]

    @property
    def is_relevant(self) -> bool:
        """Whether anything in Chroma may have to follow."""
        if not may_matter(self.key.entity_type, self.event_name):
            return False
        return self.event_name != "MODIFY" or bool(self.changes)


def read_stream_record(record: Mapping[str, Any]) -> StreamRecord | None:
    """Read a stream record; None when its key is none of a mirrored entity.

    RecordRejected when it cannot be read.
    """
    event_name, change = record.get("eventName"), record.get("dynamodb")
    if event_name not in EVENTS:
        raise RecordRejected(
            f"eventName is {event_name!r:.80}, expected one of {', '.join(EVENTS)}"
        )
    if not isinstance(change, Mapping):
        raise RecordRejected("`dynamodb` is no object with Keys and images")
    keys = change.get("Keys")
    if not isinstance(keys, Mapping):
        raise RecordRejected("`dynamodb.Keys` is missing: it names PK and SK")
    key = parse_key(_key_text(keys, "PK", LONGEST_PK), _key_text(keys, "SK", LONGEST_SK))
    if key is None:
        return None
    old, new = _image(change, "OldImage"), _image(change, "NewImage")
    if event_name == "MODIFY" and (old is None or new is None) and FEEDING[key.entity_type]:
        raise RecordRejected("MODIFY without both images: set the stream to NEW_AND_OLD_IMAGES")
    before = None if old is None else read_fields(key.entity_type, old)
    after = None if new is None else read_fields(key.entity_type, new)
    if event_name == "INSERT":
        before = None
    elif event_name == "REMOVE":
        after = None
    changes = get_chromadb_relevant_changes(key.entity_type, before, after)
    return StreamRecord(key, event_name, changes)


def is_relevant(record: Mapping[str, Any]) -> bool:
    """Return whether a stream record matters to Chroma; RecordRejected when it cannot be read."""
    read = read_stream_record(record)
    return read is not None and read.is_relevant


def trim(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a relevant record with keys and feeding fields alone, still a stream record."""
    read = read_stream_record(record)
    if read is None:
        raise RecordRejected("not a record of a mirrored entity")
    change = record["dynamodb"]
    kept = {
        name: change[name]
        for name in ("Keys", "ApproximateCreationDateTime", "SequenceNumber")
        if name in change
    }
    for name in ("OldImage", "NewImage"):
        image = _image(change, name)
        if image is not None:
            fields = read_fields(read.key.entity_type, image)
            kept[name] = {
                field: {"S": _shortened(value)} for field, value in fields.items() if value
            }
    envelope = {
        name: record[name] for name in ("eventID", "eventName", "awsRegion") if name in record
    }
    return {**envelope, "dynamodb": kept}


def messages_of_stream_record(record: Mapping[str, Any]) -> list[StreamMessage]:
    """Return the messages of a stream record, none when it is not relevant."""
    read = read_stream_record(record)
    if read is None or not read.is_relevant:
        return []
    if read.key.entity_type == "COMPACTION_RUN":
        prefixes = {
            name: delta_prefix(name, read.changes[name].new)
            for name in RUN_FIELDS
            if name in read.changes
        }
        return _run_messages(read, prefixes, record)
    fed = FED[read.key.entity_type]
    return [_message(read, read.key.data(), read.changes, fed, record)]


def delta_prefix(name: str, value: str) -> str:
    """Return a delta's prefix; RecordRejected when S3 could hold nothing under it."""
    if not fits(value, _LONGEST_PREFIX):
        raise RecordRejected(f"{name} is {value!r:.80}, no S3 prefix")
    return value


def _run_messages(
    read: StreamRecord, prefixes: Mapping[str, str], record: Mapping[str, Any]
) -> list[StreamMessage]:
    """One message a collection that has a delta."""
    if not prefixes:
        raise RecordRejected("a COMPACTION_RUN without lines_delta_prefix and words_delta_prefix")
    return [
        _message(
            read,
            {
                **read.key.data(),
                **prefixes,
                "delta_s3_prefix": prefixes[f"{collection.value}_delta_prefix"],
            },
            {},
            (collection,),
            record,
        )
        for collection in BOTH
        if f"{collection.value}_delta_prefix" in prefixes
    ]


def _message(
    read: StreamRecord,
    data: Mapping[str, Any],
    changes: Mapping[str, FieldChange],
    collections: tuple[ChromaDBCollection, ...],
    record: Mapping[str, Any],
) -> StreamMessage:
    return StreamMessage(
        entity_type=read.key.entity_type,
        entity_data=data,
        changes=changes,
        event_name=read.event_name,
        collections=collections,
        timestamp=_made_at(record["dynamodb"].get("ApproximateCreationDateTime")),
        stream_record_id=_text_or_none(record.get("eventID")),
        aws_region=_text_or_none(record.get("awsRegion")),
    )


def _key_text(keys: Mapping[str, Any], name: str, limit: int) -> str:
    attribute = keys.get(name)
    value = attribute.get("S") if isinstance(attribute, Mapping) else None
    if not isinstance(value, str):
        raise RecordRejected(f"`dynamodb.Keys.{name}` is no string such as {{'S': 'IMAGE#…'}}")
    if not fits(value, limit):
        raise RecordRejected(f"`dynamodb.Keys.{name}` is {value!r:.80}, no key of {limit} bytes")
    return value


def _image(change: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    image = change.get(name)
    if image is not None and not isinstance(image, Mapping):
        raise RecordRejected(f"`dynamodb.{name}` is no object")
    return image


def _made_at(seconds: Any) -> str | None:
    """Return an epoch in seconds as ISO 8601; what is no time of this calendar is no time."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return None


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _shortened(value: str) -> str:
    """Keep a long value's difference, not its length: `reasoning` may fill a whole item."""
    if len(value) <= _LONG:
        return value
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{value[:100]}… sha256:{digest}"
