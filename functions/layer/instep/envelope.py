"""The shape of an inbox message: `{"Records": [record, …]}`, and how records are packed and found.

One shape for the queue and the console's input (docs/design.md, "Flow"); bodies of another shape
are one record each, wrapped as Lambda wraps them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Record = Mapping[str, Any]

RECORDS_PER_MESSAGE: Final = 50
BYTES_PER_MESSAGE: Final = 200_000


@dataclass(frozen=True)
class Delivery:
    """One received message. `handle` acknowledges it; `attempts` counts its records' failures."""

    message_id: str
    handle: str
    body: str
    attributes: Mapping[str, str]
    attempts: int

    @property
    def collection(self) -> str | None:
        """The only collection this message is for; None when it is for all its records feed."""
        return self.attributes.get("collection")


@dataclass(frozen=True)
class Rejection:
    """One record for the DLQ, and why."""

    record: Record
    reason: str
    attempts: int = 0
    message_id: str | None = None
    collection: str | None = None


def pack(records: Iterable[Record]) -> Iterator[str]:
    """Yield message bodies of at most 50 records and 200 KB (a larger record travels alone)."""
    texts: list[str] = []
    size = 0
    for record in records:
        text = json.dumps(record, separators=(",", ":"))
        if texts and (len(texts) == RECORDS_PER_MESSAGE or size + len(text) > BYTES_PER_MESSAGE):
            yield _body(texts)
            texts, size = [], 0
        texts.append(text)
        size += len(text) + 1
    if texts:
        yield _body(texts)


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
    """Return the records of an inbox body `{"Records": […]}`; None when it is anything else."""
    try:
        content = json.loads(body)
    except ValueError:
        return None
    records = content.get("Records") if isinstance(content, dict) else None
    return records if isinstance(records, list) else None


def _body(texts: Iterable[str]) -> str:
    return f'{{"Records":[{",".join(texts)}]}}'
