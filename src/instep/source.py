"""What a collection is made of, where each embedding follows from a few items: three functions.

A *subject* is what embeddings are derived of together: an item, an order with its lines, a thread
with its posts. `instep.derived` asks for nothing else and does the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from instep.domain import CollectionSpec, Item

if TYPE_CHECKING:
    from instep.aws.table import TableReader
    from instep.difference import Fields, Vector
    from instep.embedding.embedder import Embedder
    from instep.keys import Key


@dataclass(frozen=True)
class Derived:
    """What one embedding should carry by the table.

    `fields` are all of its metadata; None, or a key not named: it must not be there. The vector is
    `vector`, or what the source's embedder makes of `text`: it is asked only where `text` is not
    what the embedding was made of before.
    """

    fields: "Fields"
    document: str | None = None
    vector: "Vector | None" = None
    text: str | None = None


class Source(Protocol):
    """One collection. Pure but for `read`; what `derive` raises over an item is that item's."""

    @property
    def spec(self) -> CollectionSpec:
        """Distance and HNSW parameters."""

    @property
    def embedder(self) -> "Embedder | None":
        """What makes vectors of texts; None where items bring their own."""

    @property
    def reads(self) -> Sequence[str]:
        """The attributes that `derive` reads, beside the keys."""

    def subject(self, key: "Key") -> str | None:
        """Name what the item of this key belongs to; None when it feeds nothing here."""

    def read(self, subjects: Iterable[str], table: "TableReader") -> Mapping[str, Sequence[Item]]:
        """Read the items of these subjects, strongly consistent; a subject without any is left out.

        Expired items are taken out by whoever asked.
        """

    def derive(self, subject: str, items: Sequence[Item]) -> Mapping[str, Derived]:
        """Return what a subject's embeddings should carry, by id; none: they should not be there.

        ValueError and its like, with a reason for a person, when the items do not allow it.
        """
