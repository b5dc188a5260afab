"""Reads a foreign Chroma directory without chromadb: its files are data here, never code.

Opening it with chromadb would migrate its schema, and hand its HNSW links to a C++ library that
trusts them. So the records are read from SQLite, opened read-only with an untrusted schema, and the
vectors from where Chroma keeps them: the log of the collection (`embeddings_queue`) while fewer
than `sync_threshold` were written, else `data_level0.bin`, whose labels `index_metadata.pickle`
maps to ids. Tests hold this against what each release from 0.5 on reads of its own directory; the
schema's migrations tell an older or newer one, which is refused by name.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from instep.errors import CompactionError, DeltaRejected, StorageUnavailable
from instep.hnsw.layout import ELEMENTS, HEADER, LABELS, LENGTHS
from instep.hnsw.vectors import last_seq_id, read_vectors
from receipt_chroma.compaction.replay import LogRecord, Segments
from receipt_chroma.compaction.schema import DATABASE, check_schema

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from instep.difference import Scalar, Value

_UNFINISHED: Final = frozenset({f"{DATABASE}-wal", f"{DATABASE}-journal"})
INDEX_FILES: Final = frozenset({HEADER, ELEMENTS, LENGTHS, LABELS})
HELD_IN: Final = frozenset({DATABASE}) | _UNFINISHED
_DOCUMENT: Final = "chroma:document"
_MOST_RECORDS: Final = 200_000
_LARGEST_LABELS: Final = 64 << 20  # bytes; so many records' ids take about half of it
_LONGEST_REASON: Final = 500
_VALUES: Final = "id, key, string_value, int_value, float_value, bool_value"


@dataclass
class Record:
    """One embedding of a delta: float32, one per dimension, all finite."""

    embedding: "NDArray[np.float32]"
    metadata: dict[str, "Value"]
    document: str | None


class Contents(dict[str, Record]):
    """A delta's records by id; `broken` says by id what is wrong with those that cannot be read."""

    def __init__(self, records: Mapping[str, Record], broken: Mapping[str, str]) -> None:
        super().__init__(records)
        self.broken = broken


@dataclass(frozen=True)
class _Collection:
    id: str
    vectors: str
    metadata: str
    cosine: bool


@contextmanager
def judging() -> Iterator[None]:
    """Read bytes from outside: whatever that raises ends as DeltaRejected, and harms one delta.

    What this machine or AWS failed at is not theirs: StorageUnavailable, or as it is.
    """
    try:
        yield
    except (CompactionError, ClientError):
        raise
    except (MemoryError, OSError) as error:
        raise StorageUnavailable(f"this machine failed to read a delta: {error!r}") from error
    except Exception as error:  # such bytes may be anything, and so may what they raise
        reason = f"the delta is unreadable: {type(error).__name__}: {error}"
        raise DeltaRejected(reason[:_LONGEST_REASON]) from error


def read_records(directory: Path, collection: str) -> Contents:
    """Return every record of the collection, zero included, as chromadb itself would read them.

    DeltaRejected says what is wrong with the directory as a whole.
    """
    with judging():
        return _opened(directory, collection)


def _opened(directory: Path, collection: str) -> Contents:
    for name in _UNFINISHED:
        if (directory / name).is_file() and (directory / name).stat().st_size:
            raise DeltaRejected(f"the delta has a {name}: its producer did not close it")
    database = directory / DATABASE
    if not database.is_file():
        raise DeltaRejected(
            f"the delta has no {DATABASE} at its root (chromadb before 0.4 writes none)"
        )
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        check_schema(db)
        return _read(db, directory, collection)


def _read(db: sqlite3.Connection, directory: Path, name: str) -> Contents:
    collection = _find(db, name)
    index = directory / collection.vectors
    if (index / LABELS).is_file() and (index / LABELS).stat().st_size > _LARGEST_LABELS:
        raise DeltaRejected(f"{LABELS} has more than {_LARGEST_LABELS} bytes")
    segments = Segments(
        _stored_fields(db, collection.metadata), {**read_vectors(index, cosine=collection.cosine)}
    )
    marks = {
        str(key): _number(value) for key, value in _rows(db, "segment_id, seq_id", "max_seq_id")
    }
    of_fields = marks.get(collection.metadata, -1)
    of_vectors = marks.get(collection.vectors, last_seq_id(index) or -1)
    for record in _log(db, collection.id):
        if record.seq_id > of_fields:
            segments.replay_fields(record)
        if record.seq_id > of_vectors:
            segments.replay_vector(record)
        _bound(segments.fields)
    return _joined(segments)


def _find(db: sqlite3.Connection, name: str) -> _Collection:
    named = (
        "SELECT c.id, d.tenant_id || '/' || d.name, c.* FROM collections c"
        " LEFT JOIN databases d ON d.id = c.database_id WHERE c.name = ? LIMIT 3"
    )
    found = db.execute(named, (name,)).fetchall()
    if not found:
        have = [str(row[0]) for row in db.execute("SELECT name FROM collections LIMIT 5")]
        raise DeltaRejected(f"the delta has no collection {name!r}, only {have}")
    if len(found) > 1:
        places = ", ".join(sorted(str(row[1]) for row in found))
        raise DeltaRejected(
            f"the delta has a collection {name!r} in {len(found)} databases, {places}: which one "
            f"is meant, nothing says; write a delta's collection into one database"
        )
    id_, _, *stored = found[0]
    rows = db.execute("SELECT scope, id FROM segments WHERE collection = ?", (id_,))
    scopes = {str(scope): str(id_) for scope, id_ in rows}
    if not {"VECTOR", "METADATA"} <= scopes.keys() or not re.fullmatch(
        r"[\w-]{1,64}", scopes["VECTOR"]
    ):
        raise DeltaRejected(f"collection {name!r} has no vector or no metadata segment")
    legacy = db.execute(
        "SELECT str_value FROM segment_metadata WHERE segment_id = ? AND key = 'hnsw:space'",
        (scopes["VECTOR"],),
    ).fetchone()
    cosine = _is_cosine(stored) if legacy is None else legacy[0] == "cosine"
    return _Collection(str(id_), scopes["VECTOR"], scopes["METADATA"], cosine)


def _is_cosine(row: Iterable[Any]) -> bool:
    """Say whether any configuration stored with a collection names that space."""
    return any(
        '"space":"cosine"' in re.sub(r"\s", "", text) for text in row if isinstance(text, str)
    )


def _stored_fields(db: sqlite3.Connection, segment: str) -> dict[str, dict[str, "Value"]]:
    """Return what the metadata segment holds, the document under Chroma's own key."""
    stored: dict[str, dict[str, Value]] = {}
    ids: dict[int, str] = {}
    rows = db.execute("SELECT id, embedding_id FROM embeddings WHERE segment_id = ?", (segment,))
    for row, id_ in rows:
        ids[row] = str(id_)
        stored[ids[row]] = {}
        _bound(stored)
    for row, key, *values in _rows(db, _VALUES, "embedding_metadata"):
        if row in ids and (value := _scalar(*values)) is not None:
            stored[ids[row]][str(key)] = value
    lists: dict[tuple[int, str], list[Scalar]] = {}
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'embedding_metadata_array'").fetchone():
        for row, key, *values in _rows(db, _VALUES, "embedding_metadata_array"):
            if row in ids and (value := _scalar(*values)) is not None:
                lists.setdefault((row, str(key)), []).append(value)
    for (row, key), items in lists.items():
        stored[ids[row]][key] = items
    return stored


def _scalar(text: Any, whole: Any, number: Any, truth: Any) -> "Scalar | None":
    if text is not None:
        return str(text)
    if truth is not None:
        return bool(truth)
    return int(whole) if whole is not None else None if number is None else float(number)


def _rows(db: sqlite3.Connection, columns: str, table: str) -> Iterator[Any]:
    return db.execute(f"SELECT {columns} FROM {table}")  # noqa: S608 - names of ours


def _log(db: sqlite3.Connection, collection: str) -> Iterator[LogRecord]:
    """Yield the collection's log in its order; the topic ends in the collection's id."""
    ending = f"/{collection}"
    rows = db.execute(
        "SELECT seq_id, operation, id, vector, encoding, metadata FROM embeddings_queue"
        " WHERE substr(topic, ?) = ? ORDER BY seq_id",
        (-len(ending), ending),
    )
    for seq_id, operation, id_, *rest in rows:
        yield LogRecord(_number(seq_id), operation, str(id_), *rest)


def _number(stored: Any) -> int:
    """Return a number of the log; chromadb before 1.0 stores it big-endian, in 8 or 24 bytes."""
    if isinstance(stored, bytes) and len(stored) in {8, 24}:
        return int.from_bytes(stored, "big")
    if not isinstance(stored, int):
        raise DeltaRejected(f"{DATABASE}: {stored!r:.40} is no number of a log record")
    return stored


def _bound(records: Mapping[str, Any]) -> None:
    if len(records) > _MOST_RECORDS:
        raise DeltaRejected(f"more than the {_MOST_RECORDS} records allowed in a delta")


def _joined(segments: Segments) -> Contents:
    records: dict[str, Record] = {}
    broken = dict(segments.broken)
    for id_, fields in segments.fields.items():
        vector = segments.vector(id_)
        if isinstance(vector, str):
            broken.setdefault(id_, vector)
        if id_ in broken or isinstance(vector, str):
            continue
        document = fields.pop(_DOCUMENT, None)
        records[id_] = Record(vector, fields, None if document is None else str(document))
    return Contents(records, broken)
