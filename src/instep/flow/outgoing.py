"""A message as it is sent, weighed as SQS weighs it, and calls of as many as SQS takes at once.

The limits are SQS's own: 1 MiB a message, and for all messages of a call together; each counts its
body and its attributes' names, types and values in bytes of UTF-8.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, TypeAlias

from instep.flow.encoding import Json, cut, size_of, written
from instep.flow.envelope import Record, body_of, pack
from instep.flow.formats import MESSAGE

MESSAGE_BYTES: Final = 1_048_576
CALL_BYTES: Final = 1_048_576
ENTRIES_PER_CALL: Final = 10

_LONGEST_VALUE: Final = 1000
_REDUCED_BYTES: Final = 50_000

Attributes: TypeAlias = Mapping[str, str | int]


@dataclass(frozen=True)
class Outgoing:
    """One message before it is sent; `delay` in seconds, at most 900."""

    records: Sequence[Json]
    attributes: Attributes
    delay: int = 0

    @cached_property
    def body(self) -> str:
        """The text of its records."""
        return body_of(self.records)

    @cached_property
    def weight(self) -> int:
        """Its bytes, as SQS counts them."""
        return size_of(self.body) + sum(
            size_of(name) + size_of(_type_of(value)) + size_of(str(value))
            for name, value in self.attributes.items()
        )

    @property
    def is_too_large(self) -> bool:
        """Whether SQS takes no such message."""
        return self.weight > MESSAGE_BYTES

    def apart(self) -> list["Outgoing"]:
        """Return its records as a message each: one that is refused takes no other with it."""
        return [replace(self, records=(record,)) for record in self.records]

    def fitting(self) -> "Outgoing":
        """Return a message of one record as it is, or cut to what SQS takes."""
        return self._cut(MESSAGE_BYTES) if self.is_too_large else self

    def reduced(self) -> "Outgoing":
        """Return a message of one record cut to little and in ASCII: if a queue takes anything, it
        takes this.
        """
        little = [json.loads(one) for one in self._cut(_REDUCED_BYTES).records]
        return replace(self, records=[Json(json.dumps(one)) for one in little])

    def entry(self, number: int) -> dict[str, Any]:
        """Return it as an entry of a call."""
        entry: dict[str, Any] = {
            "Id": str(number),
            "MessageBody": self.body,
            "MessageAttributes": {
                name: {"DataType": _type_of(value), "StringValue": str(value)}
                for name, value in self.attributes.items()
            },
        }
        return {**entry, "DelaySeconds": self.delay} if self.delay else entry

    def _cut(self, limit: int) -> "Outgoing":
        room = limit - replace(self, records=()).weight
        return replace(self, records=[cut(record, room) for record in self.records])


def outgoing(
    records: Iterable[Record | Json],
    *,
    collection: str | None = None,
    attempts: int = 0,
    error: str | None = None,
    delay: int = 0,
) -> list[Outgoing]:
    """Return inbox messages of these records, packed; see `Inbox.send`."""
    known = attributes_of(
        format=MESSAGE, collection=collection, attempts=attempts, error=error or None
    )
    return [Outgoing(few, known, delay) for few in pack(map(written, records))]


def attributes_of(**values: str | int | None) -> dict[str, str | int]:
    """Return attributes that SQS takes of values from anywhere; None leaves one out."""
    return {
        name: value if isinstance(value, int) else _printable(value)
        for name, value in values.items()
        if value is not None
    }


def in_calls(messages: Iterable[Outgoing]) -> Iterator[list[Outgoing]]:
    """Yield messages, none of them too large, in as many at a time as one call may send."""
    call: list[Outgoing] = []
    weight = 0
    for message in messages:
        if call and (len(call) == ENTRIES_PER_CALL or weight + message.weight > CALL_BYTES):
            yield call
            call, weight = [], 0
        call.append(message)
        weight += message.weight
    if call:
        yield call


def _type_of(value: str | int) -> str:
    return "Number" if isinstance(value, int) else "String"


def _printable(text: str) -> str:
    """Bound and clean what came from outside: SQS refuses control characters and empty values."""
    clean = "".join(
        letter if letter.isprintable() else " " for letter in text[: _LONGEST_VALUE + 1]
    )
    return clean.encode("ascii", "backslashreplace").decode()[:_LONGEST_VALUE] or "unknown"
