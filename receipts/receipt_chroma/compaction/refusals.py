"""One bad record harms itself alone: which records a collection cannot hold, and how it is said."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from instep.chroma.carriable import sift
from instep.difference import Addition, Changes
from receipt_chroma.compaction.identity import EmbeddingId
from receipt_chroma.compaction.labels import LABEL_FIELDS
from receipt_chroma.compaction.metadata import MERCHANT_FIELDS

if TYPE_CHECKING:
    from instep.chroma.foreign.records import Contents, Record
    from instep.difference import Value

_DECIDED: Final = frozenset({*MERCHANT_FIELDS, *LABEL_FIELDS})  # by the table, whatever is brought
_LONGEST: Final = 12_000  # characters of a reason that name records


@dataclass(frozen=True)
class Judged:
    """A delta's records by who they are, and by id why others are refused."""

    records: Mapping[EmbeddingId, "Record"] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


def judge(contents: "Contents", collection: str, dimension: int | None) -> Judged:
    """Hold every record of a delta against the collection: its grammar of ids, and what the engine
    writes. That is known before the write, so that an older delta's record may take the place.
    """
    named: dict[str, EmbeddingId] = {}
    refused = dict(contents.broken)
    for id_ in contents:
        one = EmbeddingId.parse(id_)
        if one is None or (one.word_id is None) is (collection == "words"):
            refused[id_] = f"is no id of {collection}"
        else:
            named[id_] = one
    adds = {id_: _addition(contents[id_]) for id_ in named}
    kept, wrong = sift(Changes(adds=adds), dimension)
    refused |= {id_: refusal.reason for id_, refusal in wrong.items()}
    return Judged({named[id_]: contents[id_] for id_ in kept.adds}, refused)


def common_dimension(contents: "Contents") -> int | None:
    """Return how many floats most records have, of equally many the fewer; None without any."""
    counted = Counter(len(record.embedding) for record in contents.values())
    return max(counted, key=lambda floats: (counted[floats], -floats), default=None)


def spelled(refused: Mapping[str, str], total: int) -> str:
    """Say which of a delta's `total` records were refused, and why; the rest is merged."""
    named: list[str] = []
    room = _LONGEST
    for id_, reason in sorted(refused.items()):
        text = f"{id_:.300}: {reason:.300}"
        room -= len(text) + 2
        if room < 0:
            named.append(f"and {len(refused) - len(named)} more")
            break
        named.append(text)
    left = total - len(refused)
    rest = f"the other {left} are merged" if left else "none is merged"
    return f"{len(refused)} of {total} records refused: {'; '.join(named)}; {rest}"


def refused_of(ids: Iterable[EmbeddingId], refused: Mapping[str, str]) -> dict[str, str]:
    """Return those refusals that are about one of these embeddings."""
    return {str(one): refused[str(one)] for one in ids if str(one) in refused}


def _addition(record: "Record") -> Addition:
    own: dict[str, Value | None] = {
        key: value
        for key, value in record.metadata.items()
        if key not in _DECIDED and value != []  # an empty list is no value, and never sent
    }
    return Addition(record.embedding, own, record.document)
