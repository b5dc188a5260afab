"""Reads a foreign Chroma directory without chromadb: its files are data here, never code.

Opening it with chromadb would migrate its schema, and hand its HNSW links to a C++ library that
trusts them. So the records are read from SQLite, opened read-only with an untrusted schema, and the
vectors from where Chroma 1.x keeps them: the log of the collection (`embeddings_queue`) while fewer
than `sync_threshold` were written, else `data_level0.bin`, whose labels `index_metadata.pickle`
maps to ids. chromadb 1.5.9 itself reads that pickle in Rust and runs nothing; Python's unpickler
would, so ours knows no class and no function. Tests let the real chromadb write these formats.
"""

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from instep.errors import DeltaRejected
from instep.hnsw.layout import ELEMENTS, HEADER, LABELS, LENGTHS
from instep.hnsw.vectors import IndexBroken, read_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instep.difference import Scalar, Value

DATABASE: Final = "chroma.sqlite3"
_UNFINISHED: Final = frozenset({f"{DATABASE}-wal", f"{DATABASE}-journal"})
INDEX_FILES: Final = frozenset({HEADER, ELEMENTS, LENGTHS, LABELS})
HELD_IN: Final = frozenset({DATABASE}) | _UNFINISHED
_DOCUMENT: Final = "chroma:document"
_TABLES: Final = frozenset(
    {
        "collections",
        "segments",
        "max_seq_id",
        "embeddings",
        "embedding_metadata",
        "embedding_metadata_array",
        "embeddings_queue",
    }
)
_OPTIONAL: Final = frozenset({"embedding_metadata_array"})  # younger than 1.5
_MOST_RECORDS: Final = 200_000
_MOST_STEPS: Final = 2_000  # of 1,000,000 SQLite instructions each
_DELETE: Final = 3


@dataclass
class Record:
    """One embedding of a delta: float32, one per dimension, all finite."""

    embedding: "NDArray[np.float32]"
    metadata: dict[str, "Value"]
    document: str | None


@dataclass(frozen=True)
class _Collection:
    id: str
    vectors: str
    metadata: str
    cosine: bool


def read_records(directory: Path, collection: str) -> dict[str, Record]:
    """Return every record of the collection by id, zero included; DeltaRejected says what is wrong.

    All embeddings have one dimension; each record's metadata is as its producer wrote it.
    """
    for name in _UNFINISHED:
        if (directory / name).is_file() and (directory / name).stat().st_size:
            raise DeltaRejected(f"the delta has a {name}: its producer did not close it")
    database = directory / DATABASE
    if not database.is_file():
        raise DeltaRejected(f"the delta has no {DATABASE} at its root")
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            return _read(db, directory, collection)
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
        raise DeltaRejected(f"{DATABASE} is unreadable: {error}") from error


def _read(db: sqlite3.Connection, directory: Path, name: str) -> dict[str, Record]:
    _distrust(db)
    collection = _find(db, name)
    marks = {str(key): int(value) for key, value in db.execute("SELECT * FROM max_seq_id")}
    metadata = _stored_metadata(db, collection.metadata)
    try:
        vectors = read_vectors(directory / collection.vectors, cosine=collection.cosine)
    except IndexBroken as error:
        raise DeltaRejected(str(error)) from error
    for seq_id, operation, id_, vector, encoding, text in _log(db, collection.id):
        if seq_id > marks.get(collection.metadata, -1):
            _replay_metadata(metadata, operation, id_, text)
        if seq_id > marks.get(collection.vectors, -1):
            _replay_vector(vectors, operation, id_, vector, encoding)
    if len(metadata) > _MOST_RECORDS:
        raise DeltaRejected(f"{len(metadata)} records, more than the {_MOST_RECORDS} allowed")
    return _joined(metadata, vectors)


def _distrust(db: sqlite3.Connection) -> None:
    """Let the schema run nothing: no triggers, no views, no functions, and no endless statement."""
    steps = iter(range(_MOST_STEPS))
    db.set_progress_handler(lambda: next(steps, None) is None, 1_000_000)
    for pragma in ("trusted_schema = OFF", "query_only = ON", "cell_size_check = ON"):
        db.execute(f"PRAGMA {pragma}")
    kinds = dict(db.execute("SELECT name, type || ' ' || coalesce(sql, '') FROM sqlite_master"))
    for table in _TABLES:
        kind = str(kinds.get(table, "")).upper()
        if not kind and table in _OPTIONAL:
            continue
        if not kind.startswith("TABLE CREATE TABLE"):
            raise DeltaRejected(f"{DATABASE} has no table {table}: not written by Chroma 1.x")
        if "GENERATED" in kind or " AS (" in kind:
            raise DeltaRejected(f"{DATABASE}: table {table} has computed columns")


def _find(db: sqlite3.Connection, name: str) -> _Collection:
    named = "SELECT id, * FROM collections WHERE name = ? LIMIT 2"
    found = db.execute(named, (name,)).fetchall()
    if len(found) != 1:
        have = [str(row[0]) for row in db.execute("SELECT name FROM collections LIMIT 5")]
        raise DeltaRejected(f"the delta has no collection {name!r}, only {have}")
    id_, *stored = found[0]
    rows = db.execute("SELECT scope, id FROM segments WHERE collection = ?", (id_,))
    scopes = {str(scope): str(id_) for scope, id_ in rows}
    if not {"VECTOR", "METADATA"} <= scopes.keys() or "/" in scopes["VECTOR"]:
        raise DeltaRejected(f"collection {name!r} has no vector or no metadata segment")
    return _Collection(str(id_), scopes["VECTOR"], scopes["METADATA"], _is_cosine(stored))


def _is_cosine(row: Iterable[Any]) -> bool:
    """Say whether any configuration stored with a collection names that space."""
    return any(
        '"space":"cosine"' in re.sub(r"\s", "", text) for text in row if isinstance(text, str)
    )


def _stored_metadata(db: sqlite3.Connection, segment: str) -> dict[str, dict[str, "Value"]]:
    """Return what the metadata segment holds, the document under Chroma's own key."""
    rows = db.execute("SELECT id, embedding_id FROM embeddings WHERE segment_id = ?", (segment,))
    ids = {row[0]: str(row[1]) for row in rows}
    stored: dict[str, dict[str, Value]] = {id_: {} for id_ in ids.values()}
    for row, key, *values in db.execute(
        "SELECT id, key, string_value, int_value, float_value, bool_value FROM embedding_metadata"
    ):
        if row in ids and (value := _scalar(*values)) is not None:
            stored[ids[row]][str(key)] = value
    lists: dict[tuple[int, str], list[Scalar]] = {}
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'embedding_metadata_array'").fetchone():
        for row, key, *values in db.execute(
            "SELECT id, key, string_value, int_value, float_value, bool_value"
            " FROM embedding_metadata_array"
        ):
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


def _log(db: sqlite3.Connection, collection: str) -> Iterator[tuple[int, int, str, Any, Any, Any]]:
    yield from db.execute(
        "SELECT seq_id, operation, id, vector, encoding, metadata FROM embeddings_queue"
        " WHERE topic LIKE '%/' || ? ORDER BY seq_id",
        (collection,),
    )


def _replay_metadata(
    stored: dict[str, dict[str, "Value"]], operation: int, id_: str, text: str | None
) -> None:
    if operation == _DELETE:
        stored.pop(id_, None)
        return
    try:
        fields = json.loads(text or "{}")
        changes = dict(fields.items())
    except (ValueError, AttributeError, RecursionError) as error:
        raise DeltaRejected(f"record {id_!r}: its metadata is no JSON object") from error
    known = stored.setdefault(id_, {})
    known.update(changes)
    for key in [key for key, value in known.items() if value is None]:
        del known[key]


def _replay_vector(
    vectors: dict[str, "NDArray[np.float32]"], operation: int, id_: str, vector: Any, encoding: Any
) -> None:
    if operation == _DELETE:
        vectors.pop(id_, None)
    elif vector is not None:
        if encoding != "FLOAT32" or not isinstance(vector, bytes) or len(vector) % 4:
            raise DeltaRejected(f"record {id_!r}: its vector is no FLOAT32")
        vectors[id_] = np.frombuffer(vector, dtype="<f4")


def _joined(
    stored: Mapping[str, dict[str, "Value"]], vectors: Mapping[str, "NDArray[np.float32]"]
) -> dict[str, Record]:
    records: dict[str, Record] = {}
    for id_, metadata in stored.items():
        if id_ not in vectors:
            raise DeltaRejected(f"record {id_!r} has no vector")
        if not np.isfinite(vectors[id_]).all():
            raise DeltaRejected(f"record {id_!r}: its vector has NaN or infinite numbers")
        document = metadata.pop(_DOCUMENT, None)
        records[id_] = Record(vectors[id_], metadata, None if document is None else str(document))
    dimensions = {len(record.embedding) for record in records.values()}
    if len(dimensions) > 1 or 0 in dimensions:
        raise DeltaRejected(f"the delta mixes dimensions: {sorted(dimensions)}")
    return records
