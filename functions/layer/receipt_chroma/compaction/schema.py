"""Whether a foreign database is one that chromadb made, and of which release; it runs nothing.

Its schema is not believed: no view, trigger, computed column or function of its author's comes to
run, no statement is endless, and no value larger than chromadb can have written is made.
"""

import sqlite3
from typing import Final

from instep.errors import DeltaRejected

DATABASE: Final = "chroma.sqlite3"
_TABLES: Final = (
    "migrations",
    "databases",
    "collections",
    "segments",
    "segment_metadata",
    "max_seq_id",
    "embeddings",
    "embedding_metadata",
    "embedding_metadata_array",
    "embeddings_queue",
)
_OPTIONAL: Final = frozenset({"embedding_metadata_array"})  # younger than 1.4
_OLDEST: Final = {"sysdb": 4, "metadb": 3, "embeddings_queue": 1}  # migrations of 0.4.24
_NEWEST: Final = {"sysdb": 10, "metadb": 6, "embeddings_queue": 2}  # and of 1.5.9
_LONGEST: Final = 64 << 20  # bytes of one value
_MOST_STEPS: Final = 2_000  # of 1,000,000 SQLite instructions each


def check_schema(db: sqlite3.Connection) -> None:
    """Make a new connection safe to read from; DeltaRejected unless we know what it will say."""
    steps = iter(range(_MOST_STEPS))
    db.set_progress_handler(lambda: next(steps, None) is None, 1_000_000)
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    for pragma in ("trusted_schema = OFF", "query_only = ON", "cell_size_check = ON"):
        db.execute(f"PRAGMA {pragma}")
    kinds = dict(db.execute("SELECT name, type || ' ' || coalesce(sql, '') FROM sqlite_master"))
    for table in _TABLES:
        kind = str(kinds.get(table, "")).upper()
        if not kind and table in _OPTIONAL:
            continue
        if not kind.startswith("TABLE CREATE TABLE"):
            raise DeltaRejected(f"{DATABASE} has no table {table}: not written by chromadb")
        columns = db.execute("SELECT hidden FROM pragma_table_xinfo(?)", (table,))
        if any(hidden for (hidden,) in columns):
            raise DeltaRejected(f"{DATABASE}: table {table} has computed columns")
        if table == "migrations":
            _check_release(db)


def _check_release(db: sqlite3.Connection) -> None:
    """Refuse what another release wrote: it may keep its records elsewhere, or mean others."""
    found = dict(db.execute("SELECT dir, max(version) FROM migrations GROUP BY dir"))
    for folder, newest in _NEWEST.items():
        number = int(found.pop(folder, 0))
        if _OLDEST[folder] <= number <= newest:
            continue
        release = "older than 0.4.24" if number < _OLDEST[folder] else "newer than 1.5"
        raise DeltaRejected(
            f"the delta was written by a chromadb {release} ({folder} migration {number}), which "
            f"cannot be read: write it with one from 0.5 to 1.5"
        )
    if found:
        raise DeltaRejected(
            f"the delta was written by a chromadb newer than 1.5 (it migrates {sorted(found)}), "
            f"which cannot be read: write it with one from 0.5 to 1.5"
        )
