"""A parsed batch: signals coalesced, grouped by collection, and parked in S3 as a claim check.

The rule is docs/design.md, "Flow": a state's payload carries keys only, whatever the batch. What
is parked is named by its content, so a second try of a step never mixes with the first.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class BatchRef:
    """Where something is parked, and how many things it holds."""

    key: str
    count: int

    def to_payload(self) -> dict[str, Any]:
        """Return the reference as the JSON one state hands the next."""
        return {"key": self.key, "count": self.count}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "BatchRef":
        """Read what `to_payload` wrote."""
        return cls(payload["key"], payload["count"])


@dataclass(frozen=True)
class Signal:
    """One message of one record, before coalescing; `identity` says which entity changed."""

    identity: str
    collections: Sequence[str]
    message: Mapping[str, Any]
    origin: int  # index of the record it came from
    at: str | None = None  # when the change was made, ISO 8601 in UTC: sorts as text


@dataclass(frozen=True)
class Entry:
    """The newest message about one entity, and every record (by index) that it stands for.

    `at` and `since` are when the last and the first of them were made, as far as they say.
    """

    message: Mapping[str, Any]
    origins: tuple[int, ...]
    at: str | None = None
    since: str | None = None


@dataclass(frozen=True)
class Held:
    """A delivery that was drained and is not settled yet."""

    handle: str
    message_id: str
    attempts: int = 0


@dataclass(frozen=True)
class Origin:
    """A record of the batch; `delivery` is the index of what brought it, None for the input."""

    record: Mapping[str, Any]
    delivery: int | None = None


@dataclass(frozen=True)
class Deliveries:
    """Everything SettleBatch needs to acknowledge, hand back or send again."""

    held: tuple[Held, ...]
    origins: tuple[Origin, ...]


class _Body(Protocol):
    @property
    def body(self) -> bytes: ...


class Parking(Protocol):
    """The two verbs that a batch asks of the object store."""

    def put(self, key: str, body: bytes) -> None:
        """Write an object."""

    def get(self, key: str) -> _Body:
        """Read an object."""


def coalesce(signals: Iterable[Signal]) -> dict[str, list[Entry]]:
    """Group signals by collection; of several about one entity keep the last and all origins.

    A signal says *that* something changed, so any of them will do and order does not matter.
    """
    newest: dict[tuple[str, str], Mapping[str, Any]] = {}
    origins: dict[tuple[str, str], dict[int, None]] = defaultdict(dict)
    latest: dict[tuple[str, str], str] = {}
    first: dict[tuple[str, str], str] = {}
    for signal in signals:
        for collection in signal.collections:
            key = collection, signal.identity
            newest[key] = signal.message
            origins[key][signal.origin] = None
            if signal.at:
                latest[key] = max(latest.get(key, signal.at), signal.at)
                first[key] = min(first.get(key, signal.at), signal.at)
    grouped: dict[str, list[Entry]] = {}
    for key in sorted(newest):
        entry = Entry(newest[key], tuple(origins[key]), latest.get(key), first.get(key))
        grouped.setdefault(key[0], []).append(entry)
    return grouped


def park(
    parking: Parking,
    folder: str,
    deliveries: Deliveries,
    batches: Mapping[str, Sequence[Entry]],
) -> tuple[BatchRef, dict[str, BatchRef]]:
    """Write deliveries and one batch a collection under `folder`; return the references."""
    body = _json({"held": _dicts(deliveries.held), "origins": _dicts(deliveries.origins)})
    place = f"{folder}/{_digest(body)}"
    parking.put(f"{place}/deliveries.json", body)
    references = {}
    for collection, entries in batches.items():
        references[collection] = BatchRef(f"{place}/{collection}.json", len(entries))
        parking.put(references[collection].key, _json({"entries": _dicts(entries)}))
    return BatchRef(f"{place}/deliveries.json", len(deliveries.held)), references


def fetch_deliveries(parking: Parking, reference: BatchRef) -> Deliveries:
    """Read what `park` wrote of the deliveries."""
    content = json.loads(parking.get(reference.key).body)
    return Deliveries(
        tuple(Held(**held) for held in content["held"]),
        tuple(Origin(**origin) for origin in content["origins"]),
    )


def fetch_entries(parking: Parking, reference: BatchRef) -> list[Entry]:
    """Read what `park` wrote of one collection."""
    content = json.loads(parking.get(reference.key).body)
    return [
        Entry(entry["message"], tuple(entry["origins"]), entry["at"], entry.get("since"))
        for entry in content["entries"]
    ]


def park_result(parking: Parking, batch: BatchRef, result: Mapping[str, Any]) -> BatchRef:
    """Park what applying `batch` came to, beside it."""
    body = _json(result)
    key = f"{batch.key.removesuffix('.json')}.{_digest(body)}.result.json"
    parking.put(key, body)
    return BatchRef(key, batch.count)


def fetch_result(parking: Parking, reference: BatchRef) -> dict[str, Any]:
    """Read what `park_result` wrote."""
    content: dict[str, Any] = json.loads(parking.get(reference.key).body)
    return content


def _dicts(things: Iterable[Any]) -> list[dict[str, Any]]:
    return [asdict(thing) for thing in things]


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]
