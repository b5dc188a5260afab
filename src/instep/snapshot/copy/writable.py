"""Whether a directory may be read, or written without its vector index, from what it stores itself.

With a sync threshold in reach chromadb would persist an empty index over the real one and lose
vectors (docs/adr/0008), so such a collection is refused.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from instep.chroma import sqlite_rows, sqlite_wal
from instep.chroma.sqlite_rows import OUT_OF_REACH
from instep.errors import ImportRejected, SnapshotCorrupt, SnapshotUnsupported
from instep.snapshot.format.manifest import Facts


def check_readable(main: Path, collection: str) -> None:
    """Raise SnapshotUnsupported unless chromadb can open the directory and finds the collection.

    SnapshotCorrupt when the database is none, though its bytes are those that were published.
    """
    with _whole(main, collection):
        sqlite_wal.check_schema(main)
        found = sqlite_rows.collections(main)
    if collection not in found:
        raise _of_others(main, collection, found)


def check_writable(main: Path, collection: str, *, alone: bool = True) -> None:
    """Raise SnapshotUnsupported unless a client without the vector index is safe on it.

    `alone` judges the main file, without what waits in a WAL. SnapshotCorrupt when the database is
    none.
    """
    with _whole(main, collection):
        sqlite_wal.check_schema(main)
        found = sqlite_rows.collections(main, alone=alone)
    if set(found) != {collection}:
        raise _of_others(main, collection, found)
    thresholds = [value for stored in found[collection] for value in _thresholds(stored)]
    if not thresholds or min(thresholds) < OUT_OF_REACH:
        raise SnapshotUnsupported(
            f"{collection}: sync_threshold is {min(thresholds, default='not set')}; writing "
            f"without the vector index would lose vectors: import it with `instep import`"
        )


def settled(main: Path, collection: str) -> Facts:
    """Make a directory whose index is persisted what a version is, and return its facts.

    ImportRejected when vectors still wait for the index; and as `check_writable`.
    """
    sqlite_rows.prune(main)
    sqlite_rows.vacuum(main)
    check_writable(main, collection)
    facts = Facts(**vars(sqlite_rows.standing(main)))
    if facts.pending_vectors:
        raise ImportRejected(
            f"{collection}: {facts.pending_vectors} vectors of the snapshot could not be persisted"
        )
    return facts


@contextmanager
def _whole(main: Path, collection: str) -> Iterator[None]:
    """Run checks on the file, SnapshotCorrupt when it is no whole database."""
    try:
        sqlite_rows.tables(main)
        yield
    except sqlite3.DatabaseError as error:
        raise SnapshotCorrupt(collection, f"{main.name} is no whole database: {error}") from error


def _of_others(main: Path, collection: str, found: Mapping[str, object]) -> SnapshotUnsupported:
    return SnapshotUnsupported(
        f"{main}: holds the collections {sorted(found)}, a snapshot holds one: {collection}; "
        f"publish it under its own name, or import it with `instep import`"
    )


def _thresholds(stored: Any) -> Iterator[int]:
    """Yield every sync_threshold set anywhere in a stored configuration."""
    if isinstance(stored, Mapping):
        for key, value in stored.items():
            if key == "sync_threshold" and isinstance(value, int):
                yield value
            else:
                yield from _thresholds(value)
