"""Which drift a letter of the DLQ explains: it waits there with its reason, and is not lost.

The match is by what the letter's record touches, as its key says: a merchant's item every
embedding of its receipt, a label its word, a line or a word itself, a receipt all of it, and a
run its own state. What differs beyond that is nothing that letter could have brought.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from instep.cli.dead_letters import letter_of, peek, records_of
from instep.cli.session import Session
from receipt_domain.oracle import LABEL_FIELDS, MIRRORED, Difference
from receipt_dynamo_stream import RecordRejected, parse_record
from receipt_dynamo_stream.keys import EntityKey, parse_key

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

AT_MOST: Final = 1000
"""How many letters are looked at: a hundred calls, or a few seconds."""

PATIENCE: Final = 1
"""Seconds an answer may take to be empty: then SQS has asked all of its servers."""

_IDS: Final = tuple(one.name for one in fields(EntityKey))


@dataclass(frozen=True)
class _Letter:
    """What a letter explains; None as `collection` or `fields`: every one."""

    reason: str
    collection: str | None
    fields: Sequence[str] | None

    def explains(self, collection: str, name: str | None) -> bool:
        return self.collection in (None, collection) and (
            self.fields is None or name in self.fields
        )


@dataclass
class Letters:
    """The DLQ as far as it was looked at: `whole` unless `AT_MOST` was in the way."""

    looked_at: int = 0
    whole: bool = True
    _about: dict[str, list[_Letter]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def read(cls, session: Session) -> "Letters":
        """Look into the deployment's DLQ; everything stays there."""
        letters = cls()
        for message in peek(session.sqs, session.deployment.dlq_url, AT_MOST, PATIENCE):
            letters._take_in(message)
        letters.whole = letters.looked_at < AT_MOST
        return letters

    def why(self, difference: Difference) -> str | None:
        """Return the reason with which what explains a difference waits; None if nothing does."""
        receipt = difference.id.rpartition("#LINE#")[0]
        return self._reason((difference.id, receipt), difference.collection, difference.field)

    def why_run(self, key: str, collection: str) -> str | None:
        """Return the reason with which a COMPACTION_RUN waits; None if it does not."""
        return self._reason((key,), collection, None)

    def shortfall(self) -> str | None:
        """Say that there may be more letters than were looked at; None if these were all."""
        if self.whole:
            return None
        return f"only {self.looked_at:,} letters of the DLQ were looked at: more may wait there"

    def _reason(self, about: Sequence[str], collection: str, name: str | None) -> str | None:
        for one in about:
            for letter in self._about.get(one, ()):
                if letter.explains(collection, name):
                    return letter.reason
        return None

    def _take_in(self, message: "MessageTypeDef") -> None:
        letter = letter_of(message)
        self.looked_at += 1
        with suppress(ValueError, RecursionError):
            for record in records_of(json.loads(message["Body"])):
                for key in _keys(record):
                    about, explained = _touched(key)
                    found = _Letter(letter.reason, letter.collection, explained)
                    self._about[about].append(found)


def _touched(key: EntityKey) -> tuple[str, Sequence[str] | None]:
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
