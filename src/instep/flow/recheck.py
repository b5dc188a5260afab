"""Embeddings to look up although nothing was signalled: the engine's own record in the inbox.

`{"Recheck": {"collection": "products", "part": 3, "of": 400}}` stands for every id that the
collection carries, when it is applied, whose hash modulo 400 is 3. It is how `sync` comes to what
the table no longer knows. No domain is asked what it means: the ids go to it as `Work.recheck`.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final
from zlib import crc32

from instep.domain import RecordRejected, Signal
from instep.flow.encoding import Json

IDS: Final = 50
"""About how many ids are a part: as much work as a message's records."""
_KIND: Final = "Recheck"
_BEGINS: Final = f'{{"{_KIND}":'
_MOST: Final = 10**9


@dataclass(frozen=True)
class Recheck:
    """One part of a collection's ids, of so many."""

    collection: str
    part: int
    of: int

    @classmethod
    def read(cls, record: Any) -> "Recheck | None":
        """Read a record; None for one that is a domain's, RecordRejected for a broken one of ours.

        Which collections there are, the caller knows.
        """
        if not isinstance(record, Mapping) or record.keys() != {_KIND}:
            return None
        given = record[_KIND]
        if not isinstance(given, Mapping) or given.keys() != {"collection", "part", "of"}:
            raise RecordRejected(f'`{_KIND}` is not {{"collection": NAME, "part": K, "of": N}}')
        name, part, of = (given[key] for key in ("collection", "part", "of"))
        whole = all(type(number) is int for number in (part, of))
        if not isinstance(name, str) or not whole or not 0 <= part < of <= _MOST:
            raise RecordRejected(f"`{_KIND}` names no part of a collection: {dict(given)!r:.120}")
        return cls(name, part, of)

    @classmethod
    def read_text(cls, text: Json) -> "Recheck | None":
        """Read a signal's content as it was parked; None for a domain's."""
        return cls.read(json.loads(text)) if text.startswith(_BEGINS) else None

    def to_record(self) -> dict[str, Any]:
        """Return what `read` reads."""
        return {_KIND: asdict(self)}

    @property
    def signal(self) -> Signal:
        """What it is on its way to ApplyUpdates."""
        identity = f"{_BEGINS} {self.part} of {self.of}"
        return Signal(identity, [self.collection], self.to_record(), weight=IDS)


def parts_for(embeddings: int, shares: int) -> int:
    """Return in how many parts one of so many shares of a collection's ids is rechecked.

    One at least, for a head may be behind.
    """
    return max(1, -(-embeddings // (IDS * shares)))


def named_by(rechecks: Iterable[Recheck], ids: Iterable[str]) -> Iterator[str]:
    """Yield those ids that any of the rechecks stands for, each once."""
    wanted: dict[int, set[int]] = defaultdict(set)
    for one in rechecks:
        wanted[one.of].add(one.part)
    for id_ in ids:
        place = crc32(id_.encode("utf-8", "surrogatepass"))
        if any(place % of in parts for of, parts in wanted.items()):
            yield id_
