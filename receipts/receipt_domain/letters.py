"""What a record that lies in the DLQ keeps from arriving, by what it touches, as its key says.

A merchant's item touches every embedding of its receipt, a label its word, a line or a word
itself, a receipt all of it, and a run its own state. What differs beyond that is nothing that this
record could have brought.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from typing import Any, Final

from instep.domain import Letter
from receipt_domain.oracle import LABEL_FIELDS, MIRRORED
from receipt_dynamo_stream import RecordRejected, parse_record
from receipt_dynamo_stream.keys import EntityKey, parse_key

_IDS: Final = tuple(one.name for one in fields(EntityKey))


def letters_of(record: Any) -> list[Letter]:
    """Return what a record is about; nothing when nobody can tell."""
    return [Letter(*_touched(key)) for key in _keys(record)]


def _touched(key: EntityKey) -> tuple[str, Collection[str] | None]:
    """Return what a record about `key` touches, and which fields of it (None: all of it)."""
    item = f"IMAGE#{key.image_id}#{key.sort_key()}"
    match key.entity_type:
        case "RECEIPT_METADATA" | "RECEIPT_PLACE":
            return item.rpartition("#")[0], MIRRORED
        case "RECEIPT_WORD_LABEL":
            return item.rpartition(f"#LABEL#{key.label}")[0], LABEL_FIELDS
        case _:  # an embedding has its item's key, and a run's state lies in its own
            return item, None


def _keys(record: Any) -> Iterator[EntityKey]:
    """Yield what a record is about, also when it is poison: then its key may still be readable."""
    change = record.get("dynamodb") if isinstance(record, Mapping) else None
    if isinstance(change, Mapping):
        with suppress(AttributeError, KeyError, TypeError):
            key = parse_key(change["Keys"]["PK"]["S"], change["Keys"]["SK"]["S"])
            if key is not None:
                yield key
        return
    with suppress(RecordRejected):
        for message in parse_record(record):
            ids = message.entity_data
            if "image_id" in ids:
                yield EntityKey(**{name: ids[name] for name in _IDS if name in ids})
