"""One record of the table's stream: is it relevant, what of it matters, which messages it gives.

The rules are docs/domain.md, "A record is relevant when": first whether such an event of such an
entity can matter at all, and only then what judging it needs. An item that its TTL removed is a
REMOVE like any other. What has no place here (letters, image-level lines, other partitions) is no
error.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from instep.aws.stream_time import made_at
from instep.domain import RecordRejected
from receipt_dynamo_stream.attributes import Unreadable
from receipt_dynamo_stream.changes import (
    get_chromadb_relevant_changes,
    lives_longer,
    may_matter,
)
from receipt_dynamo_stream.entities import RUN_FIELDS, Fields, demand_readable, read_fields, written
from receipt_dynamo_stream.keys import LONGEST_PK, LONGEST_SK, EntityKey, fits, parse_key
from receipt_dynamo_stream.messages import (
    ARRIVING,
    ChromaDBCollection,
    FieldChange,
    StreamMessage,
)

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
_SET_THE_STREAM: Final = "set the stream to NEW_AND_OLD_IMAGES, then run `instep sync`"
_LONG: Final = 1100  # characters; a longer value is queued as what shows that it differs


@dataclass(frozen=True)
class StreamRecord:
    """A relevant record: `before` and `after` are its images' fields, None without the item."""

    key: EntityKey
    event_name: str
    before: Fields | None
    after: Fields | None

    @property
    def changes(self) -> Mapping[str, FieldChange]:
        """The feeding fields that differ."""
        return get_chromadb_relevant_changes(self.key.entity_type, self.before, self.after)

    @property
    def comes_back(self) -> bool:
        """Whether an item that counted as gone may count again, without an INSERT."""
        return (
            self.key.entity_type in ARRIVING
            and self.before is not None
            and self.after is not None
            and lives_longer(self.before, self.after)
        )


def read_stream_record(record: Mapping[str, Any]) -> StreamRecord | None:
    """Read a stream record; None when nothing in Chroma can follow from it, whatever it holds.

    RecordRejected when what judging it needs cannot be read.
    """
    change = record.get("dynamodb") if isinstance(record, Mapping) else None
    if not isinstance(change, Mapping):
        raise RecordRejected("`dynamodb` is no object with Keys and images")
    keys = change.get("Keys")
    if not isinstance(keys, Mapping):
        raise RecordRejected("`dynamodb.Keys` is missing: it names PK and SK")
    key = parse_key(_key_text(keys, "PK", LONGEST_PK), _key_text(keys, "SK", LONGEST_SK))
    if key is None:
        return None
    event_name = record.get("eventName")
    if event_name not in EVENTS:
        raise RecordRejected(
            f"eventName is {event_name!r:.80}, expected one of {', '.join(EVENTS)}"
        )
    if not may_matter(key.entity_type, event_name):
        return None
    read = StreamRecord(key, event_name, *_fields(key.entity_type, event_name, change))
    if event_name == "MODIFY" and not read.changes:
        return None
    if read.after is not None:
        demand_readable(read.after)
    return read


def is_relevant(record: Mapping[str, Any]) -> bool:
    """Return whether a stream record matters to Chroma; RecordRejected when it cannot be read."""
    return read_stream_record(record) is not None


def trim(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a relevant record with keys and feeding fields alone, still a stream record.

    Who reads it again comes to the same messages.
    """
    read = read_stream_record(record)
    if read is None:
        raise RecordRejected("not a relevant record of a mirrored entity")
    change = record["dynamodb"]
    kept = {
        name: change[name]
        for name in ("Keys", "ApproximateCreationDateTime", "SequenceNumber")
        if name in change
    }
    for name, fields in (("OldImage", read.before), ("NewImage", read.after)):
        if fields is not None:
            kept[name] = {
                field: written(field, _shortened(value)) for field, value in fields.items() if value
            }
    envelope = {
        name: record[name] for name in ("eventID", "eventName", "awsRegion") if name in record
    }
    return {**envelope, "dynamodb": kept}


def messages_of_stream_record(record: Mapping[str, Any]) -> list[StreamMessage]:
    """Return the messages of a stream record, none when it is not relevant.

    Mostly one. A run gives one a collection; a receipt, line or word that is to live longer gives
    an arrival too, for it may have counted as gone.
    """
    read = read_stream_record(record)
    if read is None:
        return []
    changes = read.changes
    if read.key.entity_type == "COMPACTION_RUN":
        prefixes = {
            name: delta_prefix(name, changes[name].new) for name in RUN_FIELDS if name in changes
        }
        return _run_messages(read, prefixes, record)
    events = [read.event_name, "INSERT"] if read.comes_back else [read.event_name]
    fed = FED[read.key.entity_type]
    return [_message(read.key.data(), changes, event, fed, record) for event in events]


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
            {
                **read.key.data(),
                **prefixes,
                "delta_s3_prefix": prefixes[f"{collection.value}_delta_prefix"],
            },
            {},
            read.event_name,
            (collection,),
            record,
        )
        for collection in BOTH
        if f"{collection.value}_delta_prefix" in prefixes
    ]


def _message(
    data: Mapping[str, Any],
    changes: Mapping[str, FieldChange],
    event_name: str,
    collections: tuple[ChromaDBCollection, ...],
    record: Mapping[str, Any],
) -> StreamMessage:
    return StreamMessage(
        entity_type=data["entity_type"],
        entity_data=data,
        changes=changes,
        event_name=event_name,
        collections=collections,
        timestamp=made_at(record["dynamodb"]),
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


def _fields(
    entity_type: str, event_name: str, change: Mapping[str, Any]
) -> tuple[Fields | None, Fields | None]:
    """Return the fields before and after, of the images that the event is judged by.

    That something arrived or went is said by its key: an image that is missing is no trouble then.
    """
    old, new = (change.get(name) for name in ("OldImage", "NewImage"))
    if event_name == "REMOVE":
        return read_fields(entity_type, old if isinstance(old, Mapping) else {}), None
    if new is not None and not isinstance(new, Mapping):
        raise RecordRejected("`dynamodb.NewImage` is no object")
    if event_name == "INSERT":
        if new is None and entity_type == "COMPACTION_RUN":  # where its delta lies, no key says
            raise RecordRejected(f"INSERT of a run without its image: {_SET_THE_STREAM}")
        return None, read_fields(entity_type, new or {})
    if not isinstance(old, Mapping) or new is None:
        raise RecordRejected(f"MODIFY without both images: {_SET_THE_STREAM}")
    return read_fields(entity_type, old), read_fields(entity_type, new)


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _shortened(value: str | Unreadable) -> str | Unreadable:
    """Keep a long value's difference, not its length: `reasoning` may fill a whole item."""
    if isinstance(value, Unreadable) or len(value) <= _LONG:
        return value
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{value[:100]}… sha256:{digest}"
