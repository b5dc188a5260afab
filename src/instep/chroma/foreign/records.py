"""Reads a foreign Chroma directory without chromadb: its files are data here, never code.

Opening it with chromadb would migrate its schema, and hand its HNSW links to a C++ library that
trusts them. So the records are read from SQLite (`tables`), and the vectors from where Chroma keeps
them: the log of the collection (`embeddings_queue`) while fewer than `sync_threshold` were written,
else `data_level0.bin`, whose labels `index_metadata.pickle` maps to ids. Tests hold this against
what each release from 0.5 on reads of its own directory; the schema's migrations tell an older or
newer one, which is refused by name.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from instep.brief import DOCUMENT
from instep.chroma.foreign.allowance import Allowance
from instep.chroma.foreign.replay import LogRecord, Segments
from instep.chroma.foreign.tables import Tables, number, opened, text
from instep.chroma.hnsw.layout import ELEMENTS, HEADER, LABELS, LENGTHS
from instep.chroma.hnsw.vectors import last_seq_id, read_vectors
from instep.chroma.sqlite_rows import SQLITE
from instep.disk import is_disks
from instep.errors import CompactionError, DeltaRejected, StorageUnavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from instep.difference import Scalar, Value

_UNFINISHED: Final = frozenset({f"{SQLITE}-wal", f"{SQLITE}-journal"})
INDEX_FILES: Final = frozenset({HEADER, ELEMENTS, LENGTHS, LABELS})
HELD_IN: Final = frozenset({SQLITE}) | _UNFINISHED
_MOST_RECORDS: Final = 200_000
_LARGEST_LABELS: Final = 64 << 20  # bytes; so many records' ids take about half of it
_FEWEST_LABELS: Final = 1 << 20  # bytes that any delta may have, and beyond for each byte stored:
_LABELS_OF_A_BYTE: Final = 20
_LONGEST_REASON: Final = 500
_VALUES: Final = "id, key, string_value, int_value, float_value, bool_value"
_LOGGED: Final = "topic, seq_id, operation, id, vector, encoding, metadata"
_SEGMENT: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")  # it names a folder


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
    except Exception as error:  # such bytes may be anything, and so may what they raise
        if isinstance(error, MemoryError | OSError) or is_disks(error):
            raise StorageUnavailable(f"this machine failed to read a delta: {error!r}") from error
        reason = f"the delta is unreadable: {type(error).__name__}: {error}"
        raise DeltaRejected(reason[:_LONGEST_REASON]) from error


def read_records(directory: Path, collection: str, stored: int | None = None) -> Contents:
    """Return every record of the collection, zero included, as chromadb itself would read them.

    `stored` are the bytes that it took in S3, which bound what may be read of it; None: those that
    it takes here. DeltaRejected says what is wrong with the directory as a whole.
    """
    with judging():
        for name in _UNFINISHED:
            if (directory / name).is_file() and (directory / name).stat().st_size:
                raise DeltaRejected(f"the delta has a {name}: its producer did not close it")
        if not (directory / SQLITE).is_file():
            raise DeltaRejected(
                f"the delta has no {SQLITE} at its root (chromadb before 0.4 writes none)"
            )
        if stored is None:
            stored = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
        allowance = Allowance(stored)
        with opened(directory / SQLITE, allowance) as tables:
            found = _find(tables, collection)
            index = directory / found.vectors
            _check_labels(index / LABELS, stored)
            return _joined(_read(tables, found, index, allowance))


def _check_labels(labels: Path, stored: int) -> None:
    most = min(_LARGEST_LABELS, max(_FEWEST_LABELS, stored * _LABELS_OF_A_BYTE))
    if labels.is_file() and labels.stat().st_size > most:
        raise DeltaRejected(f"{LABELS} has more than {most} bytes")


def _read(tables: Tables, found: _Collection, index: Path, allowance: Allowance) -> Segments:
    segments = Segments(
        _stored_fields(tables, found.metadata), {**read_vectors(index, cosine=found.cosine)}
    )
    marks = {
        text(segment): number(mark)
        for segment, mark in tables.rows("max_seq_id", "segment_id, seq_id")
    }
    of_fields = marks.get(found.metadata, -1)
    of_vectors = marks.get(found.vectors)
    if of_vectors is None:
        of_vectors = last_seq_id(index) or -1
    for record in _log(tables, found.id):
        if record.seq_id > of_fields:
            allowance.take(segments.replay_fields(record))
        if record.seq_id > of_vectors:
            segments.replay_vector(record)
        _bound(segments.fields)
    return segments


def _find(tables: Tables, name: str) -> _Collection:
    named: list[Any] = []
    others: list[Any] = []
    for id_, own, database, *settings in tables.rows("collections", "id, name, database_id, *"):
        (named if own == name else others).append((id_, own, database, settings))
    if not named:
        have = [str(own)[:40] for _, own, *_ in others[:5]]
        raise DeltaRejected(f"the delta has no collection {name!r}, only {have}")
    if len(named) > 1:
        homes = {
            id_: f"{tenant}/{home}"
            for id_, tenant, home in tables.rows("databases", "id, tenant_id, name")
        }
        places = ", ".join(sorted(str(homes.get(database)) for _, _, database, _ in named))
        raise DeltaRejected(
            f"the delta has a collection {name!r} in {len(named)} databases, {places:.200}: which "
            f"one is meant, nothing says; write a delta's collection into one database"
        )
    id_, _, _, settings = named[0]
    scopes = {
        scope: segment
        for segment, scope, owner in tables.rows("segments", "id, scope, collection")
        if owner == id_
    }
    fields, vectors = text(scopes.get("METADATA", "")), text(scopes.get("VECTOR", ""))
    if not fields or not _SEGMENT.fullmatch(vectors):
        raise DeltaRejected(f"collection {name!r} has no vector or no metadata segment")
    spaces = [
        space
        for segment, key, space in tables.rows("segment_metadata", "segment_id, key, str_value")
        if segment == vectors and key == "hnsw:space"
    ]
    cosine = spaces[0] == "cosine" if spaces else _is_cosine(settings)
    return _Collection(text(id_), vectors, fields, cosine)


def _is_cosine(row: Iterable[Any]) -> bool:
    """Say whether any configuration stored with a collection names that space."""
    return any(
        '"space":"cosine"' in re.sub(r"\s", "", text) for text in row if isinstance(text, str)
    )


def _stored_fields(tables: Tables, segment: str) -> dict[str, dict[str, "Value"]]:
    """Return what the metadata segment holds, the document under Chroma's own key."""
    stored: dict[str, dict[str, Value]] = {}
    ids: dict[int, str] = {}
    for row, owner, id_ in tables.rows("embeddings", "id, segment_id, embedding_id"):
        if owner == segment:
            ids[row] = text(id_)
            stored[ids[row]] = {}
            _bound(stored)
    for row, key, *values in tables.rows("embedding_metadata", _VALUES):
        if row in ids and (value := _scalar(*values)) is not None:
            stored[ids[row]][text(key)] = value
    lists: dict[tuple[int, str], list[Scalar]] = {}
    for row, key, *values in tables.rows("embedding_metadata_array", _VALUES):
        if row in ids and (value := _scalar(*values)) is not None:
            lists.setdefault((row, text(key)), []).append(value)
    for (row, key), items in lists.items():
        stored[ids[row]][key] = items
    return stored


def _scalar(words: Any, whole: Any, fraction: Any, truth: Any) -> "Scalar | None":
    """Return the one that is a value; each column's type is chromadb's, for SQLite has none."""
    if words is not None:
        return text(words)
    if truth in (0, 1) and truth is not None:
        return bool(truth)
    for value, kind in ((truth, bool), (whole, int), (fraction, float)):
        if value is not None and type(value) is not kind:
            raise DeltaRejected(f"{SQLITE}: {value!r:.40} is no {kind.__name__} of a field")
    return whole if whole is not None else fraction  # type: ignore[no-any-return]


def _log(tables: Tables, collection: str) -> Iterator[LogRecord]:
    """Yield the collection's log in its order; the topic ends in the collection's id."""
    ending = f"/{collection}"
    for topic, seq_id, operation, id_, *rest in tables.rows("embeddings_queue", _LOGGED):
        if text(topic).endswith(ending):
            yield LogRecord(number(seq_id), operation, text(id_), *rest)


def _bound(records: Mapping[str, Any]) -> None:
    if len(records) > _MOST_RECORDS:
        raise DeltaRejected(f"more than the {_MOST_RECORDS} records allowed in a delta")


def _joined(segments: Segments) -> Contents:
    records: dict[str, Record] = {}
    broken = dict(segments.broken)
    for id_, fields in segments.fields.items():
        vector = segments.vector(id_)
        document = fields.pop(DOCUMENT, None)
        if isinstance(vector, str):
            broken.setdefault(id_, vector)
        elif document is not None and not isinstance(document, str):
            broken.setdefault(id_, "its document is no text")
        elif id_ not in broken:
            records[id_] = Record(vector, fields, document)
    return Contents(records, broken)
