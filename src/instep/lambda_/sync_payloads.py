"""What the states of a sync hand each other, read from and written to the machine's JSON.

The shapes are the payloads of src/instep/cdk/sync_path.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from instep.flow.sync import Segment, Step

Payload = Mapping[str, Any]


@dataclass(frozen=True)
class Sync:
    """What a sync goes through: the segments at their start, for these collections."""

    collections: Sequence[str]
    segments: Sequence[Segment]

    def to_payload(self) -> dict[str, Any]:
        """Return `$.sync`."""
        return {
            "collections": list(self.collections),
            "segments": [segment.to_payload() for segment in self.segments],
        }


@dataclass(frozen=True)
class SyncRequest:
    """SyncTable: one segment, where it is."""

    execution: str
    collections: Sequence[str]
    segment: Segment

    @classmethod
    def from_payload(cls, payload: Payload) -> "SyncRequest":
        """Read what the state sends."""
        segment = Segment.from_payload(payload["segment"])
        return cls(payload["execution"], payload["collections"], segment)


@dataclass(frozen=True)
class SyncAnswer:
    """SyncTable: the same item of the Map, a piece further on."""

    request: SyncRequest
    step: Step

    def to_payload(self) -> dict[str, Any]:
        """Return the item's state."""
        return {
            "execution": self.request.execution,
            "collections": list(self.request.collections),
            "segment": self.step.segment.to_payload(),
            "then": self.step.then.value,
            "pause": self.step.pause,
        }
