"""The shape of an inbox message: `{"Records": [record, …]}`, and how records are packed and found.

One shape for the queue and the console's input (docs/design.md, "Flow"); bodies of another shape
are one record each, wrapped as Lambda wraps them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from instep.flow.encoding import Json, size_of
from instep.flow.formats import MESSAGE, format_of, sensible
from instep.json_text import NotJson, read_object

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

Record: TypeAlias = Mapping[str, Any]

RECORDS_PER_MESSAGE: Final = 50
MOST_RECORDS: Final = 1_000  # of a message from elsewhere; it may hold one every second byte
BYTES_PER_MESSAGE: Final = 200_000

_BY_COUNT: Final = "received too often without a verdict (the queue's own redrive policy)"


@dataclass(frozen=True)
class Delivery:
    """One received message. `handle` acknowledges it; `attempts` counts its records' failures."""

    message_id: str
    handle: str
    body: str
    attributes: Mapping[str, str]
    attempts: int

    @property
    def is_readable(self) -> bool:
        """Whether this release knows the message's format."""
        return format_of(self.attributes.get("format")) <= MESSAGE

    @property
    def collection(self) -> str | None:
        """The only collection this message is for; None when it is for all its records feed."""
        return self.attributes.get("collection")


@dataclass(frozen=True)
class Rejection:
    """One record for the DLQ, and why."""

    record: Record | Json
    reason: str
    attempts: int = 0
    message_id: str | None = None
    collection: str | None = None


def pack(records: Iterable[Json]) -> Iterator[tuple[Json, ...]]:
    """Yield a message's records: at most 50 and 200 KB (a larger record travels alone)."""
    packed: list[Json] = []
    total = 0
    for record in records:
        size = size_of(record)
        if packed and (len(packed) == RECORDS_PER_MESSAGE or total + size > BYTES_PER_MESSAGE):
            yield tuple(packed)
            packed, total = [], 0
        packed.append(record)
        total += size + 1
    if packed:
        yield tuple(packed)


def body_of(records: Iterable[Json]) -> str:
    """Return the body of a message that holds these records."""
    return f'{{"Records":[{",".join(records)}]}}'


def unpack(delivery: Delivery) -> list[Record]:
    """Return the records of a message; any other body is one record, wrapped as Lambda does."""
    records = records_of(delivery.body)
    if records is not None:
        return records
    return [
        {
            "messageId": delivery.message_id,
            "body": delivery.body,
            "messageAttributes": {
                name: {"stringValue": value, "dataType": "String"}
                for name, value in delivery.attributes.items()
            },
        }
    ]


def records_of(body: str) -> list[Record] | None:
    """Return the records of an inbox body `{"Records": […]}`; None when it is anything else.

    More than MOST_RECORDS are something else: the body then is one record, and poison.
    """
    try:
        records = read_object(body).get("Records")
    except NotJson:
        return None
    return records if isinstance(records, list) and len(records) <= MOST_RECORDS else None


def attempts_of(attributes: Mapping[str, str]) -> int:
    """Return how often a message's records failed; what is no sensible number counts as never."""
    return sensible(attributes.get("attempts"), 0)


def reason_of(attributes: Mapping[str, str]) -> str:
    """Return why a message lies in the DLQ, whoever put it there."""
    return attributes.get("reason") or attributes.get("error") or _BY_COUNT


def delivery(message: "MessageTypeDef") -> Delivery:
    """Return a message as SQS hands it over; attributes that are no text are left out."""
    attributes = {
        name: value["StringValue"]
        for name, value in message.get("MessageAttributes", {}).items()
        if "StringValue" in value
    }
    return Delivery(
        message_id=message["MessageId"],
        handle=message["ReceiptHandle"],
        body=message["Body"],
        attributes=attributes,
        attempts=attempts_of(attributes),
    )
