"""What a directory's embeddings carry, one after the other in the order of their ids: no client, no
index, and memory for one of them. As `sqlite_rows`, for a directory without a client.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from instep.chroma.sqlite_rows import connected, waiting_vectors
from instep.difference import Value

_COLUMNS: Final = "key, string_value, int_value, float_value, bool_value"


def contents(main: Path) -> Iterator[tuple[str, Mapping[str, Value]]]:
    """Yield each embedding's id and its fields, in the order of the ids as bytes of UTF-8.

    The document is among the fields. sqlite3.DatabaseError when the file is no database.
    """
    with connected(main, alone=True) as database:
        has_lists = database.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'embedding_metadata_array'"
        ).fetchone()
        ids = database.execute(
            "SELECT embedding_id, id FROM embeddings WHERE segment_id ="
            " (SELECT id FROM segments WHERE scope = 'METADATA') ORDER BY embedding_id"
        )
        for id_, row in ids:
            fields = _fields(database, row)
            yield id_, {**fields, **_lists(database, row)} if has_lists else fields


def queued_vectors(main: Path) -> dict[str, bytes]:
    """Map each id whose vector still waits for the index to a digest of that vector."""
    with connected(main, alone=True) as database:
        return {
            id_: blake2b(vector, digest_size=16).digest()
            for id_, vector in waiting_vectors(database)
        }


def _fields(database: sqlite3.Connection, row: int) -> dict[str, Value]:
    found = database.execute(f"SELECT {_COLUMNS} FROM embedding_metadata WHERE id = ?", (row,))  # noqa: S608
    return {key: _value(*values) for key, *values in found}


def _lists(database: sqlite3.Connection, row: int) -> dict[str, Value]:
    found = database.execute(
        f"SELECT {_COLUMNS} FROM embedding_metadata_array WHERE id = ? ORDER BY rowid",  # noqa: S608
        (row,),
    )
    lists: dict[str, Any] = {}
    for key, *values in found:
        lists.setdefault(key, []).append(_value(*values))
    return lists


def _value(words: Any, whole: Any, fraction: Any, truth: Any) -> Any:
    if truth is not None:
        return bool(truth)
    return next((value for value in (words, whole) if value is not None), fraction)
