"""A table of items, each of which brings its own vector: 256 floats in an attribute."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from instep.aws.keys import Key, KeySchema
from instep.aws.table import TableReader
from instep.derived import DerivedDomain
from instep.domain import CollectionSpec, Item
from instep.source import Derived

WIDTH: Final = 256
COLLECTION: Final = "items"

_SCHEMA: Final = KeySchema()
_READ: Final = ("name", "price", "vector")


def item(number: int, price: int) -> dict[str, Any]:
    """Return an item whose vector follows from its number."""
    vector = np.random.default_rng(number).standard_normal(WIDTH).astype(np.float32)
    return {
        "PK": {"S": f"ITEM#{number:07d}"},
        "SK": {"S": "ITEM"},
        "name": {"S": f"thing {number}"},
        "price": {"N": str(price)},
        "vector": {"B": vector.tobytes()},
    }


def id_of(number: int) -> str:
    """Return the id of an item's embedding."""
    return f"ITEM#{number:07d}"


class Items:
    """One embedding an item."""

    spec = CollectionSpec("l2")
    embedder = None
    reads: Sequence[str] = _READ

    def subject(self, key: Key) -> str | None:
        """Name the item."""
        return key[0] if key[0].startswith("ITEM#") else None

    def read(self, subjects: Iterable[str], table: TableReader) -> Mapping[str, Sequence[Item]]:
        """Read the items by their keys."""
        found = table.get([(subject, "ITEM") for subject in subjects], ("PK", "SK", *_READ))
        return {key[0]: [one] for key, one in found.items()}

    def derive(self, subject: str, items: Sequence[Item]) -> Mapping[str, Derived]:
        """Return its embedding."""
        (one,) = items
        fields = {"name": one["name"]["S"], "price": int(one["price"]["N"])}
        vector = np.frombuffer(one["vector"]["B"], np.float32)
        return {subject: Derived(fields, document=one["name"]["S"], vector=vector)}


DOMAIN: Final = DerivedDomain({COLLECTION: Items()}, _SCHEMA)
