"""What a reader needs of chromadb, small: a SQLite connection that writes a row when it opens, and
one call that is two reads, between which others may come.

The files are SQLite's, so what a reader leans on (the change counter, page 1) is at work.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

At: TypeAlias = Callable[[str], None]
ROWS = (1, 2, 3)
_WIDE = 3000  # bytes: each row lies on a page of its own


def make(path: Path, number: int) -> None:
    """Make the database of version `number`, or turn it into that: every row says so."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS acquire_write (id INTEGER PRIMARY KEY)")
        database.execute("CREATE TABLE IF NOT EXISTS rows (n INTEGER PRIMARY KEY, v, padding)")
        for n in ROWS:
            database.execute("REPLACE INTO rows VALUES (?, ?, ?)", (n, number, "x" * _WIDE))


class Bindings:
    """An open database."""

    open_on: ClassVar[list[Path]] = []
    reading: ClassVar[list[Path]] = []

    def __init__(self, directory: Path, at: At) -> None:
        self._at = at
        self._directory = directory
        self._database = sqlite3.connect(
            directory / "chroma.sqlite3", check_same_thread=False, isolation_level=None
        )
        self.open_on.append(directory)
        self._database.execute("INSERT INTO acquire_write DEFAULT VALUES")

    def __del__(self) -> None:
        self._database.close()
        self.open_on.remove(self._directory)

    def get(self) -> tuple[int, ...]:
        """Return the version that each row tells."""
        return (self._row(ROWS[0]), self._row(ROWS[-1]))

    def _row(self, n: int) -> int:
        self.reading.append(self._directory)
        self._at("read")
        (told,) = self._database.execute("SELECT v FROM rows WHERE n = ?", (n,)).fetchone()
        self.reading.remove(self._directory)
        return int(told)


class Server:
    """Has the bindings, as chromadb's server does."""

    def __init__(self, directory: Path, at: At) -> None:
        self._directory = directory
        self._at_point = at
        self.bindings: Any = None
        self.start()

    def start(self) -> None:
        self.bindings = Bindings(self._directory, self._at_point)


class Client:
    """A client, and its only collection."""

    def __init__(self, directory: Path, at: At) -> None:
        self._directory = directory
        self._server = Server(directory, at)

    def read(self) -> tuple[int, ...]:
        """Return the version that each row tells, which should be one."""
        found: tuple[int, ...] = self._server.bindings.get()
        return found

    def close(self) -> None:
        """Only when no call runs: what chromadb does then, nobody has written down."""
        assert self._directory not in Bindings.reading, "closed while a call reads"

    @staticmethod
    def is_open(directory: Path) -> bool:
        return directory in Bindings.open_on
