"""A foreign database's tables, row by row: plain scans and nothing else, each row counted."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from instep.chroma.foreign.allowance import Allowance, bound_time
from instep.chroma.foreign.schema import check_schema, confine
from instep.chroma.sqlite_rows import SQLITE
from instep.errors import DeltaRejected


class Tables:
    """The tables of a database that chromadb made; what is asked of them is decided here."""

    def __init__(self, db: sqlite3.Connection, allowance: Allowance) -> None:
        self._db, self._allowance = db, allowance
        self._names = check_schema(db)

    def rows(self, table: str, columns: str) -> Iterator[Any]:
        """Yield a table's rows by their row id; none when the release has no such table."""
        if table not in self._names:
            return
        statement = f"SELECT {columns} FROM {table} NOT INDEXED"  # noqa: S608 - names of ours
        for row in self._db.execute(statement):
            self._allowance.take(1)
            yield row


@contextmanager
def opened(path: Path, allowance: Allowance) -> Iterator[Tables]:
    """Open a database for reading as it is on the disk, without its WAL or journal."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        bound_time(db, path.stat().st_size)
        confine(db)
        yield Tables(db, allowance)


def text(stored: object) -> str:
    """Return a name or an id; DeltaRejected when it is no text."""
    if type(stored) is not str:
        raise DeltaRejected(f"{SQLITE}: {stored!r:.40} stands where a text belongs")
    return stored


def number(stored: object) -> int:
    """Return a number of the log; chromadb before 1.0 stores it big-endian, in 8 or 24 bytes."""
    if isinstance(stored, bytes) and len(stored) in {8, 24}:
        return int.from_bytes(stored, "big")
    if not isinstance(stored, int):
        raise DeltaRejected(f"{SQLITE}: {stored!r:.40} is no number of a log record")
    return stored
