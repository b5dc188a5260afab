"""What chromadb's tables say, read and pruned with Python's own SQLite, never beside a client.

Two SQLite libraries in one process do not see each other's locks, so these calls are for a
directory without a client. The queue's last record is never deleted: its number is where chromadb
goes on counting, and a number used twice is an update lost.
"""

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from instep.domain import Space

SQLITE: Final = "chroma.sqlite3"
OUT_OF_REACH: Final = 1 << 40  # log records before chromadb would persist the vector index

_SPACES: Final[tuple[Space, ...]] = ("l2", "cosine", "ip")
_SPACE: Final = re.compile(r'"space"\s*:\s*"(\w+)"')
_MAGIC: Final = b"SQLite format 3\0"
_PAGE: Final = 4096
_UPDATE: Final = 1  # chromadb's operation codes: ADD 0, UPDATE 1, UPSERT 2, DELETE 3
DELETE: Final = 3
WAITS: Final = (
    "(vector IS NOT NULL OR operation = ?) AND seq_id > coalesce((SELECT m.seq_id FROM segments s"
    " JOIN max_seq_id m ON m.segment_id = s.id WHERE s.scope = 'VECTOR'), 0)"
)
"""Whether the index has yet to take a queued record; `DELETE` is to be bound."""


class DatabaseRejected(ValueError):
    """A foreign database is damaged, or holds what no Chroma directory holds."""


@dataclass(frozen=True)
class Standing:
    """What a directory holds: embeddings, queued vectors and deletes, free pages, last record.

    `configuration` stands for the collections and their settings: equal text, nothing changed.
    """

    embeddings: int
    pending_vectors: int
    free_pages: int
    last_seq: int
    configuration: str


def tables(main: Path) -> int:
    """Return how many tables there are; sqlite3.DatabaseError when the file is no database."""
    with connected(main, alone=True) as database:
        found = database.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'")
        return int(found.fetchone()[0])


def migrations(main: Path) -> list[tuple[Any, ...]]:
    """Return (folder, number, hash) of every migration; [] when the table is missing."""
    try:
        with connected(main, alone=True) as database:
            return database.execute(
                "SELECT dir, version, hash FROM migrations ORDER BY dir, version"
            ).fetchall()
    except sqlite3.DatabaseError:
        return []


def collections(main: Path, *, alone: bool = True) -> dict[str, list[Mapping[str, Any]]]:
    """Map each collection to the configurations stored for it, as JSON objects.

    `alone` reads what the main file says, without what waits in a WAL.
    """
    with connected(main, alone=alone) as database:
        rows = database.execute("SELECT name, config_json_str, schema_str FROM collections")
        return {
            name: [json.loads(text) for text in texts if text] for name, *texts in rows.fetchall()
        }


def page_of_opens(main: Path) -> int:
    """Return the page that holds the rows chromadb writes at every open; `prune` keeps it one."""
    with connected(main, alone=True) as database:
        found = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'acquire_write'")
        return int(found.fetchone()[0])


def check_foreign(main: Path) -> None:
    """Raise DatabaseRejected unless a database from outside is whole and holds plain tables.

    A trigger or a view would run what its author wrote as soon as chromadb writes or reads.
    """
    with main.open("rb") as file:
        header = file.read(18)
    if not header.startswith(_MAGIC) or int.from_bytes(header[16:18], "big") != _PAGE:
        raise DatabaseRejected(f"{main.name} is no SQLite database of {_PAGE}-byte pages")
    try:
        with connected(main, alone=True) as database:
            database.execute("PRAGMA trusted_schema = OFF")
            odd = database.execute(
                "SELECT type, name FROM sqlite_master WHERE type NOT IN ('table', 'index')"
            ).fetchall()
            if odd:
                raise DatabaseRejected(f"{main.name} has a {odd[0][0]} {odd[0][1]!r}")
            (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        raise DatabaseRejected(f"{main.name} is damaged: {error}") from error
    if verdict != "ok":
        raise DatabaseRejected(f"{main.name} is damaged: {verdict}")


def require_alone(main: Path, collection: str) -> None:
    """Raise DatabaseRejected unless a foreign database holds this collection and no other."""
    with connected(main, alone=True) as database:
        found = [str(name) for (name,) in database.execute("SELECT name FROM collections LIMIT 9")]
    if found != [collection]:
        raise DatabaseRejected(
            f"it holds the collections {sorted(found)}; it must hold {collection} alone"
        )


def space(main: Path) -> Space:
    """Return the space of a foreign database's one collection, of any release of chromadb.

    It is said by a configuration stored with the collection, or by metadata before there were any.
    """
    with connected(main, alone=True) as database:
        stored = database.execute("SELECT * FROM collections").fetchone() or ()
        told = database.execute(
            "SELECT str_value FROM segment_metadata WHERE key = 'hnsw:space'"
        ).fetchone()
    configured = _SPACE.search(" ".join(text for text in stored if isinstance(text, str)))
    found = str(told[0]) if told else configured[1] if configured else _SPACES[0]
    for known in _SPACES:
        if found == known:
            return known
    raise DatabaseRejected(f"it measures in the space {found!r:.40}, none of chromadb's")


def vector_segment(main: Path) -> str:
    """Return the id of the vector segment, which is the name of the index's folder."""
    with connected(main, alone=True) as database:
        rows = database.execute("SELECT id FROM segments WHERE scope = 'VECTOR'").fetchall()
    if len(rows) != 1:
        raise DatabaseRejected(f"{main.name} has {len(rows)} vector segments")
    return str(rows[0][0])


def dimension(main: Path, *, alone: bool = True) -> int | None:
    """Return how many floats a vector of the one collection has, None before the first.

    `alone` reads what the main file says, without what waits in a WAL.
    """
    with connected(main, alone=alone) as database:
        (found,) = database.execute("SELECT dimension FROM collections").fetchone()
    return None if found is None else int(found)


def standing(main: Path) -> Standing:
    """Return what the directory holds."""
    with connected(main, alone=True) as database:
        return _standing(database)


def queued(main: Path) -> tuple[frozenset[str], int]:
    """Return the ids whose vectors the index waits for, and how many deletes it waits for."""
    with connected(main, alone=True) as database:
        waiting = database.execute(
            f"SELECT id, operation FROM embeddings_queue WHERE {WAITS}",  # noqa: S608
            (DELETE,),
        ).fetchall()
    ids = frozenset(id_ for id_, operation in waiting if operation != DELETE)
    return ids, sum(operation == DELETE for _, operation in waiting)


def waiting_vectors(database: sqlite3.Connection) -> Iterator[tuple[str, bytes]]:
    """Yield the ids whose vectors the index waits for, with the vector's bytes, oldest first."""
    yield from database.execute(
        f"SELECT id, vector FROM embeddings_queue WHERE vector IS NOT NULL AND {WAITS}"  # noqa: S608
        " ORDER BY seq_id",
        (DELETE,),
    )


def prune(main: Path) -> Standing:
    """Delete queued records that no vector index waits for; return what the directory then holds.

    Those are updates without a vector that the metadata segment has applied. chromadb itself keeps
    them until the index is persisted, and every open would read them all again. The rows it leaves
    in acquire_write at each open go too.
    """
    with writing(main) as database:
        database.execute(
            "DELETE FROM embeddings_queue WHERE vector IS NULL AND operation = ?"
            " AND seq_id < (SELECT max(seq_id) FROM embeddings_queue)"
            " AND seq_id <= (SELECT min(m.seq_id) FROM segments s JOIN max_seq_id m"
            "   ON m.segment_id = s.id WHERE s.scope = 'METADATA')",
            (_UPDATE,),
        )
        database.execute("DELETE FROM acquire_write WHERE id < (SELECT max(id) FROM acquire_write)")
        return _standing(database)


def vacuum(main: Path) -> None:
    """Rewrite the database without its free pages, which hold deleted content."""
    with connected(main) as database:
        database.execute("VACUUM")


def _standing(database: sqlite3.Connection) -> Standing:
    def one(query: str, *values: Any) -> int:
        return int(database.execute(query, values).fetchone()[0] or 0)

    pending = one(
        f"SELECT count(*) FROM embeddings_queue WHERE {WAITS}"  # noqa: S608
        " AND EXISTS (SELECT 1 FROM collections WHERE dimension IS NOT NULL)",  # else no index
        DELETE,
    )
    rows = [
        database.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()  # noqa: S608
        for table in ("collections", "collection_metadata", "segments", "segment_metadata")
    ]
    return Standing(
        embeddings=one("SELECT count(*) FROM embeddings"),
        pending_vectors=pending,
        free_pages=one("PRAGMA freelist_count"),
        last_seq=max(
            one("SELECT max(seq_id) FROM embeddings_queue"),
            one("SELECT max(seq_id) FROM max_seq_id"),
        ),
        configuration=sha256(repr(rows).encode()).hexdigest()[:16],
    )


@contextmanager
def writing(main: Path) -> Iterator[sqlite3.Connection]:
    """Connect for one transaction into the WAL, which is committed unless the block raises."""
    with connected(main) as database:
        database.execute("PRAGMA wal_autocheckpoint = 0")
        database.execute("PRAGMA synchronous = OFF")  # no copy is trusted after a power failure
        database.execute("BEGIN IMMEDIATE")
        yield database
        database.execute("COMMIT")


@contextmanager
def connected(main: Path, *, alone: bool = False) -> Iterator[sqlite3.Connection]:
    """Connect; `alone` reads the main file only, without locks, and leaves nothing beside it."""
    name = f"{main.resolve().as_uri()}?immutable=1" if alone else str(main)
    with closing(sqlite3.connect(name, isolation_level=None, uri=alone)) as database:
        yield database
