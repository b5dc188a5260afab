"""Whether a foreign database is one that chromadb made, and of which release; it runs nothing.

Its schema is not believed: what does not stand there as chromadb wrote it, to the letter, is
refused, and so no view, trigger, computed column or function of its author's comes to run. Its
trees are walked before they are read: pages that are used twice would make any number of rows.
"""

import sqlite3
from collections.abc import Set
from typing import Final

from instep.chroma.foreign.releases import KNOWN
from instep.chroma.sqlite_rows import SQLITE
from instep.errors import DeltaRejected

TABLES: Final = (
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
_IMPLIED: Final = "sqlite_autoindex_"  # an index that a table's own statement makes
_MOST_OBJECTS: Final = 100
_LIMITS: Final = {
    sqlite3.SQLITE_LIMIT_LENGTH: 64 << 20,  # bytes of one value, or of one row
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 10_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 20,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 10_000,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
}
_SETTINGS: Final = (
    "trusted_schema = OFF",
    "query_only = ON",
    "cell_size_check = ON",
    "mmap_size = 0",
    "temp_store = MEMORY",
)


def confine(db: sqlite3.Connection) -> None:
    """Make a new connection as narrow as reading tables allows; it reads nothing yet."""
    for limit, value in _LIMITS.items():
        db.setlimit(limit, value)
    for setting in _SETTINGS:
        db.execute(f"PRAGMA {setting}")


def check_schema(db: sqlite3.Connection) -> Set[str]:
    """Return the names of the tables to be read; DeltaRejected unless we know what they will say.

    A release's own complaint comes before those about its statements.
    """
    schema = db.execute("SELECT name, sql FROM sqlite_master").fetchmany(_MOST_OBJECTS)
    there = {str(name) for name, _ in schema} & {*TABLES}
    missing = {*TABLES} - there - _OPTIONAL
    if missing:
        raise DeltaRejected(f"{SQLITE} has no table {min(missing)}: not written by chromadb")
    strange = [str(name) for name, sql in schema if not _is_known(name, sql)]
    if "migrations" not in strange:
        _check_tree(db, "migrations")
        _check_release(db)
    if strange or len(schema) == _MOST_OBJECTS:
        raise DeltaRejected(
            f"{SQLITE}: {strange[0] if strange else 'its schema'!r:.100} is not as any chromadb "
            f"from 0.5 to 1.5 makes it: have one of them write the delta, and change nothing in it"
        )
    for table in there - {"migrations"}:
        _check_tree(db, table)
    return there


def _is_known(name: object, sql: object) -> bool:
    if sql is None:
        return str(name).startswith(_IMPLIED)
    return isinstance(sql, str) and " ".join(sql.split()) in KNOWN


def _check_tree(db: sqlite3.Connection, table: str) -> None:
    """Have SQLite walk a table's pages, each once."""
    ((found,),) = db.execute(f"PRAGMA quick_check({table})").fetchmany(1)
    if found != "ok":
        raise DeltaRejected(f"{SQLITE}: table {table} is damaged: {found!r:.200}")


def _check_release(db: sqlite3.Connection) -> None:
    """Refuse what another release wrote: it may keep its records elsewhere, or mean others."""
    found: dict[str, int] = {}
    steps = db.execute("SELECT dir, version FROM migrations NOT INDEXED").fetchmany(_MOST_OBJECTS)
    for folder, version in steps:
        if type(folder) is not str or type(version) is not int:
            raise DeltaRejected(f"{SQLITE}: its table of migrations is none of chromadb's")
        found[folder] = max(version, found.get(folder, 0))
    for folder, newest in _NEWEST.items():
        number = found.pop(folder, 0)
        if _OLDEST[folder] <= number <= newest:
            continue
        release = "older than 0.4.24" if number < _OLDEST[folder] else "newer than 1.5"
        raise DeltaRejected(
            f"the delta was written by a chromadb {release} ({folder} migration {number}), which "
            f"cannot be read: write it with one from 0.5 to 1.5"
        )
    if found:
        raise DeltaRejected(
            f"the delta was written by a chromadb newer than 1.5 (it migrates "
            f"{sorted(found)!r:.100}), which cannot be read: write it with one from 0.5 to 1.5"
        )
