"""A collection of a mapping as the engine asks for it: each item makes one embedding, or none."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from instep.chroma.carriable import check_document, check_id, wrong_fields
from instep.difference import Fields, Value
from instep.domain import CollectionSpec, Item
from instep.mapping.attributes import AttributeAbsent, ItemRefused, find
from instep.mapping.model import CollectionMapping, Field, VectorAttribute
from instep.mapping.values import value_of, vector_of
from instep.source import Derived

if TYPE_CHECKING:
    from instep.aws.table import TableReader
    from instep.difference import Vector
    from instep.embedding.embedder import Embedder
    from instep.keys import Key

LONGEST_ID: Final = 4096  # bytes; a key of DynamoDB's has at most 3,072


class MappedSource:
    """Implements `instep.source.Source`. A subject is an item's key, as a JSON list of texts."""

    def __init__(self, mapping: CollectionMapping, embedder: "Embedder | None" = None) -> None:
        """Take what `mapping.embed` names, which only whoever asks for vectors needs."""
        self._mapping, self._embedder = mapping, embedder

    @property
    def spec(self) -> CollectionSpec:
        """Distance and HNSW parameters, as the mapping has them, and what decides all else."""
        mapping = self._mapping
        return replace(mapping.spec, identity=mapping.identity, embedder=mapping.embed or "")

    @property
    def embedder(self) -> "Embedder | None":
        """What makes vectors of texts; None where items bring their own."""
        return self._embedder

    @property
    def reads(self) -> Sequence[str]:
        """The attributes that the mapping names."""
        return self._mapping.attributes

    def subject(self, key: "Key") -> str | None:
        """Return the key as text; None when `match` rules the key out."""
        known = self._mapping.table.schema.written(key)
        if not all(one.holds(known) for one in self._mapping.key_conditions):
            return None
        return json.dumps(key, separators=(",", ":"))

    def read(self, subjects: Iterable[str], table: "TableReader") -> Mapping[str, Sequence[Item]]:
        """Read the items by their keys; what is no key has none. StorageUnavailable."""
        wanted = {key: subject for subject in subjects if (key := self._key_of(subject))}
        found = table.get(wanted, self.reads)
        return {wanted[key]: [item] for key, item in found.items()}

    def _key_of(self, subject: str) -> "Key | None":
        """Return the key that a subject is; None for what others wrote where ours would be."""
        try:
            key = tuple(json.loads(subject))
            return key if self.subject(key) == subject else None
        except (TypeError, ValueError):
            return None

    def derive(
        self,
        subject: str,  # noqa: ARG002 - an item carries its key itself
        items: Sequence[Item],
    ) -> Mapping[str, Derived]:
        """Return the embedding that the item makes; none when it is not, or not to be, taken.

        ItemRefused, and NotCarriable for what Chroma cannot hold: both are ValueErrors.
        """
        made = {}
        for item in items:
            if self._mapping.takes(item):
                try:
                    made[self.id_of(item)] = self._derived(item)
                except AttributeAbsent:
                    if self._mapping.missing == "refuse":
                        raise
        return made

    def id_of(self, item: Item) -> str:
        """Return the id of an item's embedding: of its key alone."""
        id_ = self._mapping.id.render(item)
        check_id(id_)
        if len(id_.encode()) > LONGEST_ID:
            raise ItemRefused(f"its id has more than {LONGEST_ID} bytes")
        return id_

    def _derived(self, item: Item) -> Derived:
        mapping = self._mapping
        document = mapping.document.render(item) if mapping.document else None
        text = mapping.text.render(item) if mapping.text else None
        for written in (document, text):
            check_document(written)
        if text is not None and not text.strip():
            raise AttributeAbsent("its text is empty: there is nothing to embed")
        fields: Fields = {field.name: _field(field, item) for field in mapping.fields}
        if wrong := wrong_fields(fields):
            raise ItemRefused("; ".join(f"{name}: {why}" for name, why in wrong.items()))
        vector = _vector(mapping.vector, item) if mapping.vector else None
        return Derived(fields, document, vector, text)


def _field(field: Field, item: Item) -> Value | None:
    attribute = find(item, field.path)
    value = None if attribute is None else value_of(attribute, field.type)
    if value is not None:
        return value
    if field.required:
        raise AttributeAbsent(f"{'.'.join(field.path)} is absent")
    return field.default


def _vector(vector: VectorAttribute, item: Item) -> "Vector":
    attribute = find(item, vector.path)
    if attribute is None:
        raise AttributeAbsent(f"{'.'.join(vector.path)}, its vector, is absent")
    return vector_of(attribute, vector.encoding)
