"""Whether a directory may be written without its vector index, from what it stores about itself.

With a sync threshold in reach chromadb would persist an empty index over the real one and lose
vectors (docs/adr/0008), so such a collection is refused.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from instep import sqlite_rows, sqlite_wal
from instep.errors import SnapshotUnsupported
from instep.sqlite_rows import OUT_OF_REACH


def check_writable(main: Path, collection: str, *, alone: bool = True) -> None:
    """Raise SnapshotUnsupported unless a client without the vector index is safe on it.

    `alone` judges the main file, without what waits in a WAL.
    """
    sqlite_wal.check_schema(main)
    found = sqlite_rows.collections(main, alone=alone)
    if set(found) != {collection}:
        raise SnapshotUnsupported(
            f"{main}: holds the collections {sorted(found)}, a snapshot holds one: {collection}"
        )
    thresholds = [value for stored in found[collection] for value in _thresholds(stored)]
    if not thresholds or min(thresholds) < OUT_OF_REACH:
        raise SnapshotUnsupported(
            f"{collection}: sync_threshold is {min(thresholds, default='not set')}; writing "
            f"without the vector index would lose vectors: import it with `instep import`"
        )


def _thresholds(stored: Any) -> Iterator[int]:
    """Yield every sync_threshold set anywhere in a stored configuration."""
    if isinstance(stored, Mapping):
        for key, value in stored.items():
            if key == "sync_threshold" and isinstance(value, int):
                yield value
            else:
                yield from _thresholds(value)
