"""A parsed batch: signals coalesced and grouped by collection.

A signal says *that* something changed (docs/design.md, "Convergence"), so of several about one
entity any will do. A batch may hold 15,000: messages are kept as text.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from instep.flow.encoding import Json


@dataclass(frozen=True, slots=True)
class Heard:
    """One signal of one record, before coalescing; `identity` says what changed."""

    identity: str
    collections: Sequence[str]
    text: Json
    origin: int  # index of the record it came from
    at: str | None = None  # when the change was made, ISO 8601 in UTC: sorts as text
    awaited: bool = False  # somebody is told what becomes of it


@dataclass(frozen=True, slots=True)
class Entry:
    """The newest message about one entity, and every record (by index) that it stands for.

    `at` and `since` are when the last and the first of them were made, as far as they say.
    """

    text: Json
    origins: tuple[int, ...]
    at: str | None = None
    since: str | None = None
    awaited: bool = False

    @property
    def message(self) -> dict[str, Any]:
        """The message, read."""
        message: dict[str, Any] = json.loads(self.text)
        return message


@dataclass(slots=True)
class _Newest:
    text: Json
    at: str | None = None
    since: str | None = None
    awaited: bool = False
    origins: list[int] = field(default_factory=list)

    def add(self, signal: Heard) -> None:
        self.text, self.awaited = signal.text, signal.awaited
        if signal.at:
            self.at = max(self.at or signal.at, signal.at)
            self.since = min(self.since or signal.at, signal.at)
        if self.origins[-1:] != [signal.origin]:
            self.origins.append(signal.origin)


def coalesce(signals: Iterable[Heard]) -> dict[str, list[Entry]]:
    """Group signals by collection; of several about one entity keep the last and all origins.

    Signals come in the order of their origins.
    """
    grouped: dict[str, dict[str, _Newest]] = {}
    for signal in signals:
        for collection in signal.collections:
            entities = grouped.setdefault(collection, {})
            entities.setdefault(signal.identity, _Newest(signal.text)).add(signal)
    return {collection: _entries(grouped.pop(collection)) for collection in sorted(grouped)}


def _entries(entities: Mapping[str, _Newest]) -> list[Entry]:
    """Return them in an order that does not depend on the messages'."""
    return [
        Entry(newest.text, tuple(newest.origins), newest.at, newest.since, newest.awaited)
        for newest in (entities[identity] for identity in sorted(entities))
    ]
