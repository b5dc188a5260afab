"""A domain of no resemblance to receipts: weather stations, each with the readings it made.

The table has other keys than ours, the sort key is a number, an expiry has another name, and an
embedding follows from all items of a station.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from instep.aws.table import Range, TableReader
from instep.derived import DerivedDomain
from instep.domain import CollectionSpec, Item
from instep.keys import Key, KeyAttribute, KeySchema
from instep.source import Derived, Source

if TYPE_CHECKING:
    from instep.embedding.embedder import Embedder

TABLE: Final = "weather"
SCHEMA: Final = KeySchema(KeyAttribute("station"), KeyAttribute("minute", "N"))
EXPIRES: Final = "forget_at"
_EVER: Final = ("0", str(10**18))


@dataclass(frozen=True)
class Stations:
    """A station as one embedding: where it is and how warm it was, found by a text about it."""

    embedder: "Embedder | None" = None
    spec: CollectionSpec = field(default=CollectionSpec("cosine"))
    reads: Sequence[str] = ("place", "degrees", "about")

    def subject(self, key: Key) -> str | None:
        return None if key[0].startswith("_") else key[0]

    def read(self, subjects: Iterable[str], table: TableReader) -> Mapping[str, Sequence[Item]]:
        names = (*table.schema.names, EXPIRES, *self.reads)
        found = {one: list(table.all_of(Range(one, *_EVER), names)) for one in subjects}
        return {one: items for one, items in found.items() if items}

    def derive(self, subject: str, items: Sequence[Item]) -> Mapping[str, Derived]:
        its = [item for item in items if "place" in item]
        if not its:
            return {}
        degrees = [float(item["degrees"]["N"]) for item in items if "degrees" in item]
        place = [float(one["N"]) for one in its[0]["place"]["L"]]
        about = its[0].get("about", {}).get("S")
        fields = {"readings": len(degrees), "highest": max(degrees, default=None)}
        vector = None if self.embedder else [*place, 1.0]
        return {f"station/{subject}": Derived(fields, about, vector, about)}


@dataclass(frozen=True)
class Readings:
    """A reading as one embedding, of another collection: one item feeds both."""

    embedder: None = None
    spec: CollectionSpec = field(default=CollectionSpec("l2", {"ef_construction": 50}))
    reads: Sequence[str] = ("degrees", "wind")

    def subject(self, key: Key) -> str | None:
        return None if key[1] == "0" or key[0].startswith("_") else "@".join(key)

    def read(self, subjects: Iterable[str], table: TableReader) -> Mapping[str, Sequence[Item]]:
        keys = {(one.rpartition("@")[0], one.rpartition("@")[2]): one for one in subjects}
        found = table.get(keys, (*table.schema.names, EXPIRES, *self.reads))
        return {keys[(key[0], key[1])]: [item] for key, item in found.items()}

    def derive(self, subject: str, items: Sequence[Item]) -> Mapping[str, Derived]:
        (item,) = items
        wind = item["wind"]["L"]
        vector = [float(one["N"]) for one in wind]
        return {subject: Derived({"degrees": float(item["degrees"]["N"])}, None, vector)}


def weather(embedder: "Embedder | None" = None) -> DerivedDomain:
    """The whole domain."""
    sources: dict[str, Source] = {"stations": Stations(embedder), "readings": Readings()}
    return DerivedDomain(sources, SCHEMA, EXPIRES)


def station(name: str, *place: float, about: str | None = None) -> dict[str, Any]:
    """The item of a station."""
    said = {} if about is None else {"about": {"S": about}}
    where = {"L": [{"N": str(one)} for one in place]}
    return {"station": {"S": name}, "minute": {"N": "0"}, "place": where, **said}


def reading(name: str, minute: int, degrees: float, *wind: float, **more: Any) -> dict[str, Any]:
    """The item of a reading."""
    blown = {"L": [{"N": str(one)} for one in wind or (1.0, 0.0)]}
    key = {"station": {"S": name}, "minute": {"N": str(minute)}}
    return {**key, "degrees": {"N": str(degrees)}, "wind": blown, **more}
