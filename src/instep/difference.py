"""What is wanted minus what is carried = the bulk calls: only keys that differ, never a no-op.

The rules are design.md's Convergence and what was measured of Chroma: an update merges, so a key
goes away only when it is set to None; identical values still cost pages; a document is written only
when it changed; an empty list and an empty metadata are refused, so neither is ever sent.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Scalar: TypeAlias = str | int | float | bool
Value: TypeAlias = Scalar | Sequence[Scalar]
Fields: TypeAlias = Mapping[str, Value | None]
Vector: TypeAlias = "Sequence[float] | NDArray[np.float32]"

_ROUNDED: Final = 1e-15  # chromadb's log reads a decimal back within two units of the last place
_TINIEST: Final = 1e-323
_SCALARS: Final = frozenset({str, bool, int, float})


@dataclass(frozen=True)
class Carried:
    """What one embedding carries now. `metadata` has no None values; `document` may be absent."""

    metadata: Mapping[str, Value]
    document: str | None = None


@dataclass(frozen=True)
class Wanted:
    """What one embedding should carry.

    `fields` names only the keys the caller decides: a value to set, or None to be gone; every other
    key is left alone. `document` None leaves the document alone. With `embedding` (floats, one per
    dimension) the record is written whole whether it is there or not.
    """

    fields: Fields
    document: str | None = None
    embedding: "Vector | None" = None


@dataclass(frozen=True)
class Update:
    """The keys of one embedding that differ (None = remove) and its document if that changed.

    Either may be empty, never both.
    """

    metadata: Fields
    document: str | None = None


@dataclass(frozen=True)
class Addition:
    """One record to upsert. `metadata` holds None only for a key the stored record must lose."""

    embedding: Vector
    metadata: Fields
    document: str | None = None


@dataclass(frozen=True)
class Changes:
    """The bulk calls of one batch: an id is in at most one of the three. Empty is falsy."""

    updates: Mapping[str, Update] = field(default_factory=dict)
    adds: Mapping[str, Addition] = field(default_factory=dict)
    deletes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return how many embeddings are written."""
        return len(self.updates) + len(self.adds) + len(self.deletes)

    def without(self, ids: Collection[str]) -> "Changes":
        """Return the changes but those of some ids."""
        if not ids:
            return self
        return Changes(
            {id_: update for id_, update in self.updates.items() if id_ not in ids},
            {id_: add for id_, add in self.adds.items() if id_ not in ids},
            tuple(id_ for id_ in self.deletes if id_ not in ids),
        )


def difference(carried: Mapping[str, Carried], wanted: Mapping[str, Wanted | None]) -> Changes:
    """Return the smallest Changes after which `carried` agrees with `wanted`.

    `wanted` maps an id to what it should carry, or to None when it should not exist. An id that is
    not carried is added if its Wanted has an embedding, and passed over otherwise.
    """
    updates: dict[str, Update] = {}
    adds: dict[str, Addition] = {}
    deletes: list[str] = []
    for id_, want in wanted.items():
        have = carried.get(id_)
        if want is None:
            if have is not None:
                deletes.append(id_)
        elif want.embedding is not None:
            adds[id_] = Addition(want.embedding, _whole(have, want), want.document)
        elif have is not None and (update := _update(have, want)) is not None:
            updates[id_] = update
    return Changes(updates, adds, tuple(deletes))


def _update(have: Carried, want: Wanted) -> Update | None:
    changed = {
        key: value
        for key, value in ((key, _normal(value)) for key, value in want.fields.items())
        if not _same(have.metadata.get(key), value)
    }
    document = want.document if want.document != have.document else None
    return Update(changed, document) if changed or document is not None else None


def _whole(have: Carried | None, want: Wanted) -> Fields:
    kept = have.metadata if have is not None else {}
    fields = {key: _normal(value) for key, value in want.fields.items()}
    return {key: value for key, value in fields.items() if value is not None or key in kept}


def _normal(value: Value | None) -> Value | None:
    """Return a list for any row of values, none for an empty one; the rest is `carriable`'s."""
    return list(value) or None if isinstance(value, list | tuple) else value


def _same(have: Value | None, want: Value | None) -> bool:
    """Compare as Chroma stores: 1, 1.0 and True are three different values, lists ignore order, and
    a float comes back a last digit or two off, for its log is JSON.
    """
    if type(have) is float and type(want) is float:
        return have == want or math.isclose(have, want, rel_tol=_ROUNDED, abs_tol=_TINIEST)
    if isinstance(have, list) and isinstance(want, list) and len(have) == len(want):
        return all(type(one) in _SCALARS for one in want) and all(
            map(_same, sorted(have, key=_typed), sorted(want, key=_typed))
        )
    return type(have) is type(want) and have == want


def _typed(value: Scalar) -> tuple[str, Scalar]:
    return type(value).__name__, value
