"""The message that the pipeline hands on: a signal that an entity changed (docs/domain.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

ARRIVING: Final = frozenset({"RECEIPT", "RECEIPT_LINE", "RECEIPT_WORD"})
"""Entities that an embedding lives with: as one (re)appears, vectors merged before may be due."""

_IDENTIFYING: Final = ("image_id", "receipt_id", "line_id", "word_id", "label", "run_id")


class ChromaDBCollection(Enum):
    """The two collections, each a Chroma directory and a chain of snapshots of its own."""

    LINES = "lines"
    WORDS = "words"


@dataclass(frozen=True)
class FieldChange:
    """One field before and after; None: no value. Logged, never applied."""

    old: Any
    new: Any


@dataclass(frozen=True)
class StreamMessage:
    """A signal that an entity changed; the table's current truth says to what."""

    entity_type: str
    entity_data: Mapping[str, Any]
    changes: Mapping[str, FieldChange]
    event_name: str
    collections: tuple[ChromaDBCollection, ...]
    source: str = "dynamodb_stream"
    timestamp: str | None = field(default=None)
    """When the change was made, ISO 8601."""
    stream_record_id: str | None = None
    aws_region: str | None = None

    @property
    def is_arrival(self) -> bool:
        """Whether a receipt, a line or a word (re)appeared."""
        return self.event_name == "INSERT" and self.entity_type in ARRIVING

    @property
    def identity(self) -> str:
        """What this is about: signals of one identity stand for each other.

        That is the entity, whatever became of it; but all arrivals of one receipt stand for each
        other, so that a new receipt's hundreds are one, and none of them stands for a removal. An
        older delta notice names no entity; then it is the delta itself.
        """
        if self.is_arrival:
            receipt = (self.entity_data["image_id"], self.entity_data["receipt_id"])
            return "/".join(["ARRIVED", *map(repr, receipt)])
        ids = [repr(self.entity_data[name]) for name in _IDENTIFYING if name in self.entity_data]
        return "/".join([self.entity_type, *(ids or [repr(self.entity_data["delta_s3_prefix"])])])

    def to_payload(self) -> dict[str, Any]:
        """Return the message as JSON: the body of docs/domain.md, with its collections."""
        return {
            "source": self.source,
            "entity_type": self.entity_type,
            "entity_data": dict(self.entity_data),
            "changes": {
                name: {"old": change.old, "new": change.new}
                for name, change in self.changes.items()
            },
            "event_name": self.event_name,
            "collections": [collection.value for collection in self.collections],
            "timestamp": self.timestamp,
            "stream_record_id": self.stream_record_id,
            "aws_region": self.aws_region,
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "StreamMessage":
        """Read what `to_payload` wrote."""
        return cls(
            entity_type=payload["entity_type"],
            entity_data=payload["entity_data"],
            changes={
                name: FieldChange(change["old"], change["new"])
                for name, change in payload["changes"].items()
            },
            event_name=payload["event_name"],
            collections=tuple(ChromaDBCollection(name) for name in payload["collections"]),
            source=payload["source"],
            timestamp=payload["timestamp"],
            stream_record_id=payload["stream_record_id"],
            aws_region=payload["aws_region"],
        )
