"""The primary key of a table: one attribute or two, each a string or a number.

A key is the texts of its attributes, so that it sorts, compares and prints; only here is it known
how DynamoDB writes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Key: TypeAlias = tuple[str, ...]
"""The partition key's text, and the sort key's where the table has one."""
Kind: TypeAlias = Literal["S", "N"]


@dataclass(frozen=True)
class KeyAttribute:
    """An attribute of the key, and DynamoDB's type of it."""

    name: str
    kind: Kind = "S"


@dataclass(frozen=True)
class KeySchema:
    """Which attributes are the key of a table."""

    partition: KeyAttribute = KeyAttribute("PK")
    sort: KeyAttribute | None = KeyAttribute("SK")

    @property
    def attributes(self) -> tuple[KeyAttribute, ...]:
        """The attributes, in their order."""
        return (self.partition,) if self.sort is None else (self.partition, self.sort)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(attribute.name for attribute in self.attributes)

    def of(self, item: Mapping[str, Any]) -> Key:
        """Return the key of an item, in DynamoDB JSON; ValueError when it is not whole."""
        return tuple(self._text(item, attribute) for attribute in self.attributes)

    def written(self, key: Key) -> dict[str, dict[str, str]]:
        """Return a key as DynamoDB takes it."""
        parts = zip(self.attributes, key, strict=True)
        return {attribute.name: {attribute.kind: text} for attribute, text in parts}

    def _text(self, item: Mapping[str, Any], attribute: KeyAttribute) -> str:
        value = item.get(attribute.name)
        text = value.get(attribute.kind) if isinstance(value, Mapping) else None
        if not isinstance(text, str) or not text:
            raise ValueError(
                f"the key attribute {attribute.name} is {value!r:.80}, expected type "
                f"{attribute.kind}"
            )
        return text
