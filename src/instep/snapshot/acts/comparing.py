"""How two versions differ, embedding by embedding, from their databases alone: no index is opened
and none is fetched. Both are read in the order of their ids, so memory holds one embedding of each.

A vector is in the index or waits for it in the database's queue. While both versions have the same
index, the queues tell which vectors were written; once a fold lies between, they cannot tell.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

from instep.chroma.sqlite_contents import contents, queued_vectors
from instep.chroma.sqlite_rows import SQLITE
from instep.difference import Value
from instep.snapshot.copy.fetch import FilePlan, Progress, missing_layers
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.copy.writable import check_readable
from instep.snapshot.format.manifest import Manifest

_Embedding: TypeAlias = tuple[str, Mapping[str, Value]]
_TellsVector: TypeAlias = Callable[[str], bool]
_END: Final = None


class What(StrEnum):
    """What became of an embedding."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True)
class Changed:
    """One embedding that differs: by field, its value before and after, None where there is none.

    `vector`: it was written in between. The document is the field `chroma:document`.
    """

    id: str
    what: What
    fields: Mapping[str, tuple[Value | None, Value | None]]
    vector: bool = False


@dataclass(frozen=True)
class Versions:
    """Two versions whose databases lie here; `folded`: what their vectors are cannot be told."""

    before: Path
    after: Path
    folded: bool

    def changes(self) -> Iterator[Changed]:
        """Yield what differs, in the order of the ids."""
        rewritten = _nowhere if self.folded else _written(self.before, self.after)
        yield from _merged(contents(self.before), contents(self.after), rewritten)


def read_both(
    store: SnapshotStore,
    before: Manifest,
    after: Manifest,
    directory: Path,
    progress: Progress | None = None,
) -> Versions:
    """Fetch the databases of two versions into an empty directory; of the second one only what it
    has beyond the first, where that is so.

    SnapshotCorrupt or SnapshotUnsupported for what is no database of ours.
    """
    first, second = (directory / name / SQLITE for name in ("before", "after"))
    _bring(store, FilePlan(first, before.files[SQLITE].layers), progress)
    second.parent.mkdir()
    there = before.files[SQLITE]
    missing = missing_layers(after.files[SQLITE], there.digest, there.size)
    if missing is None:
        _bring(store, FilePlan(second, after.files[SQLITE].layers), progress)
    else:
        shutil.copyfile(first, second)
        _bring(store, FilePlan(second, missing, start=there.layers[-1]), progress)
    return Versions(first, second, _index(before) != _index(after))


def _bring(store: SnapshotStore, plan: FilePlan, progress: Progress | None) -> None:
    """Write a database, every page checked."""
    for prepared in store.fetch([plan] if plan.layers else [], progress):
        prepared.commit()
    check_readable(plan.path, store.collection)


def _index(manifest: Manifest) -> Mapping[str, str]:
    """Return the digests of the files of a version's vector index."""
    return {name: entry.digest for name, entry in manifest.files.items() if name != SQLITE}


def _merged(
    before: Iterator[_Embedding], after: Iterator[_Embedding], rewritten: _TellsVector
) -> Iterator[Changed]:
    """Walk both in step; each yields its ids in order."""
    old, new = next(before, _END), next(after, _END)
    while old is not _END or new is not _END:
        if new is _END or (old is not _END and old[0] < new[0]):
            assert old is not _END  # noqa: S101 - one of them is not
            yield Changed(old[0], What.REMOVED, {})
            old = next(before, _END)
        elif old is _END or new[0] < old[0]:
            yield Changed(new[0], What.ADDED, {})
            new = next(after, _END)
        else:
            fields, vector = _differing(old[1], new[1]), rewritten(old[0])
            if fields or vector:
                yield Changed(old[0], What.CHANGED, fields, vector)
            old, new = next(before, _END), next(after, _END)


def _differing(
    old: Mapping[str, Value], new: Mapping[str, Value]
) -> dict[str, tuple[Value | None, Value | None]]:
    names = sorted(old.keys() | new.keys())
    return {
        name: (old.get(name), new.get(name))
        for name in names
        if (type(old.get(name)), old.get(name)) != (type(new.get(name)), new.get(name))
    }


def _written(before: Path, after: Path) -> _TellsVector:
    old, new = queued_vectors(before), queued_vectors(after)
    return lambda id_: old.get(id_) != new.get(id_)


def _nowhere(_: str) -> bool:
    return False
