"""A mapping as it was read: the table's keys, and a collection's rules from item to embedding."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, TypeAlias

from instep.difference import Value
from instep.domain import CollectionSpec, Item
from instep.keys import KeySchema
from instep.mapping.attributes import Path
from instep.mapping.matching import Condition, Pattern
from instep.mapping.template import Template
from instep.mapping.values import Encoding, FieldType

Missing: TypeAlias = Literal["refuse", "skip"]


@dataclass(frozen=True)
class Field:
    """A metadata field: where its value lies, and what stands for one that is absent or NULL."""

    name: str
    path: Path
    type: FieldType
    default: Value | None = None
    required: bool = False


@dataclass(frozen=True)
class VectorAttribute:
    """Where an item's own vector lies: a list of numbers, or a binary in an encoding."""

    path: Path
    encoding: Encoding | None = None


@dataclass(frozen=True)
class TableKeys:
    """The key of the table, and the attribute of its items' expiry, if any."""

    schema: KeySchema = field(default_factory=KeySchema)
    time_to_live: str | None = "TimeToLive"


@dataclass(frozen=True)
class CollectionMapping:
    """What one collection takes of the table. Exactly one of `vector` and `embed` is there, and
    `text` with `embed`. `missing`: what becomes of an item that lacks what it must have.
    """

    name: str
    table: TableKeys
    match: tuple[Condition, ...]
    id: Template
    document: Template | None
    text: Template | None
    embed: str | None
    vector: VectorAttribute | None
    fields: tuple[Field, ...]
    spec: CollectionSpec
    missing: Missing = "refuse"

    @property
    def key_conditions(self) -> tuple[Condition, ...]:
        """The conditions that a key alone decides."""
        names = self.table.schema.names
        return tuple(one for one in self.match if one.path[0] in names)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes of an item that decide its embedding, the keys and the expiry first."""
        templates = [one for one in (self.document, self.text) if one is not None]
        paths = [
            *(one.path for one in self.match),
            *(slot.path for template in templates for slot in template.slots),
            *(one.path for one in self.fields),
            *([self.vector.path] if self.vector else []),
        ]
        expiry = [self.table.time_to_live] if self.table.time_to_live else []
        names = [*self.table.schema.names, *expiry, *(path[0] for path in paths)]
        return tuple(dict.fromkeys(names))

    @property
    def unsettled(self) -> tuple[str, ...]:
        """The key attributes in which items of one id may differ: the id leaves them out, and
        `match` leaves them open. With any, two items may share an id.
        """
        named = {slot.path[0] for slot in self.id.slots}
        pinned = {
            one.path[0]
            for one in self.key_conditions
            if len(one.any_of) == 1
            and (not isinstance(one.any_of[0], Pattern) or one.any_of[0].is_exact)
        }
        return tuple(name for name in self.table.schema.names if name not in named | pinned)

    @property
    def identity(self) -> str:
        """A short hash of what an embedding keeps for good, `-`, and one of all that decides it, in
        whatever order it was written.

        What an option yet to come leaves at its default must stay out of it, or every collection
        that is there would have to be built anew.
        """
        said: dict[str, object] = {
            "key": [[one.name, one.kind] for one in self.table.schema.attributes],
            "time_to_live": self.table.time_to_live,
            "match": sorted([".".join(one.path), sorted(one.said)] for one in self.match),
            "id": self.id.source,
            "document": self.document and self.document.source,
            "text": self.text and self.text.source,
            "embed": self.embed,
            "vector": self.vector and [".".join(self.vector.path), self.vector.encoding],
            "metadata": {
                one.name: [".".join(one.path), one.type, one.default, one.required]
                for one in self.fields
            },
            "distance": self.spec.space,
            "hnsw": dict(self.spec.hnsw),
            "missing": self.missing,
        }
        of_vectors = {name: said[name] for name in ("embed", "vector", "distance", "hnsw")}
        of_vectors["document"] = self.document is not None  # what is there once never goes
        return f"{_short(of_vectors)}-{_short(said)}"

    def takes(self, item: Item) -> bool:
        """Say whether an item belongs to the collection."""
        return all(condition.holds(item) for condition in self.match)


def _short(said: Mapping[str, object]) -> str:
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class TableMapping:
    """A table and its collections, by name."""

    table: TableKeys
    collections: Mapping[str, CollectionMapping]
