"""What lies at a delta's prefix: archives, databases, indexes and the values in them."""

import contextlib
import gzip
import io
import json
import random
import sqlite3
import tarfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from benchmarks.hostile.boundary import Boundary
from benchmarks.hostile.case import Case
from benchmarks.hostile.memory_objects import MemoryObjects
from benchmarks.hostile.mutation import ODD, bytes_mutated, json_mutated, nested
from benchmarks.source import normal_client
from instep.chroma.foreign.records import Contents, Record
from instep.chroma.foreign.replay import LogRecord, Segments
from instep.chroma.foreign.schema import TABLES
from instep.chroma.sqlite_rows import SQLITE
from instep.errors import DeltaRejected
from receipt_chroma.compaction.deltas import ARCHIVE, DeltaSource
from receipt_chroma.compaction.refusals import judge

_NAME: Final = "words"
_FOLDER: Final = "words/delta/r1/"
_WIDTH: Final = 3
_IDS: Final = tuple(f"IMAGE#i#RECEIPT#00001#LINE#00001#WORD#{at:05d}" for at in range(1, 31))
_METADATA: Final = {"n": 1, "s": "x", "f": 0.5, "b": True, "l": ["a", "b"]}
_NAMES: Final = ("../evil", "/etc/x", "a/b/c", "n" * 300, f"{SQLITE}/header.bin", "\0", ".")
_PAGE: Final = 4096

Files = Mapping[str, bytes]


def boundaries(scratch: Path) -> list[Boundary]:
    """Return the boundaries of a delta; healthy ones are written in `scratch` first."""
    kinds = [_written(scratch / str(threshold), threshold) for threshold in (1000, 20)]

    def look(objects: Files) -> None:
        held = MemoryObjects({f"{_FOLDER}{name}": body for name, body in objects.items()})
        source = DeltaSource(held)
        _judged(source.read(source.find(_FOLDER), _NAME, scratch))

    def some(dice: random.Random) -> dict[str, bytes]:
        return dict(dice.choice(kinds))

    return [
        Case("delta archive", (DeltaRejected,), lambda dice: _archive(dice, some(dice)), look),
        Case("delta pages", (DeltaRejected,), lambda dice: _pages(dice, some(dice)), look),
        Case("delta values", (DeltaRejected,), lambda dice: _values(dice, some(dice)), look),
        Case("delta schema", (DeltaRejected,), lambda dice: _schema(dice, some(dice)), look),
        Case("delta files", (DeltaRejected,), lambda dice: _files(dice, some(dice)), look),
        Case("delta log", (DeltaRejected,), _log, _replay),
    ]


def _written(directory: Path, threshold: int) -> dict[str, bytes]:
    """Write some records, persisted ones among them where `threshold` is low."""
    client = normal_client(directory)
    configuration: Any = {"hnsw": {"sync_threshold": threshold, "batch_size": 10}}
    words = client.create_collection(_NAME, embedding_function=None, configuration=configuration)
    vectors: Any = [[float(at % 7), 1.0, 2.0] for at in range(len(_IDS))]
    metadatas: Any = [_METADATA] * len(_IDS)
    words.add(list(_IDS), vectors, metadatas, ["text"] * len(_IDS))
    words.get(limit=1)
    words.update([_IDS[0]], metadatas=[{"s": "y"}])
    words.delete([_IDS[1]])
    client.close()  # type: ignore[attr-defined]
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def _archive(dice: random.Random, files: dict[str, bytes]) -> Files:
    """Change a tar's names, types, sizes and headers, or its bytes, or those of its gzip."""
    body = io.BytesIO()
    form = dice.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT))
    with tarfile.open(fileobj=body, mode="w", format=form) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            if dice.random() < 0.1:
                member.name = dice.choice((*_NAMES, "x" * 5000)).replace("\0", "")
            if dice.random() < 0.1:
                member.type = bytes([dice.randrange(32, 128)])
            if dice.random() < 0.1:
                member.pax_headers = {"size": dice.choice(("-1", "9" * 30, "nan")), "x": "y" * 99}
            archive.addfile(member, io.BytesIO(content))
    tar = body.getvalue()
    if dice.random() < 0.7:
        tar = bytes_mutated(dice, tar)
    packed = gzip.compress(tar, 1)
    return {ARCHIVE: bytes_mutated(dice, packed) if dice.random() < 0.3 else packed}


def _pages(dice: random.Random, files: dict[str, bytes]) -> Files:
    """Change pages: bytes of one, one for another, or all that one page says of others."""
    pages = bytearray(files[SQLITE])
    count = len(pages) // _PAGE
    for _ in range(dice.choice((1, 1, 2, 5))):
        at, other = dice.randrange(count) * _PAGE, dice.randrange(count) * _PAGE
        act = dice.random()
        if act < 0.2:
            pages[at : at + _PAGE] = pages[other : other + _PAGE]
        elif act < 0.4:  # what a page begins with: its kind, its cells, where they lie
            start = at + (100 if at == 0 else 0)
            pages[start + dice.randrange(12)] = dice.choice((0, 1, 2, 5, 10, 13, 255))
        elif act < 0.6:  # a child, an overflow page or a root
            spot = at + dice.randrange(_PAGE - 4)
            pages[spot : spot + 4] = dice.randrange(count + 2).to_bytes(4, "big")
        else:
            pages[at : at + _PAGE] = bytes_mutated(dice, bytes(pages[at : at + _PAGE]))[
                :_PAGE
            ].ljust(_PAGE, b"\0")
    return {**files, SQLITE: bytes(pages)}


def _values(dice: random.Random, files: dict[str, bytes]) -> Files:
    """Change values by SQL, as whoever has the file may."""
    odd = [one for one in ODD if isinstance(one, str | float | type(None)) and one != "\ud800"]
    odd += ["[" * 3000, '{"a":' * 3000, json.dumps(_METADATA), "/" * 50_000]
    values = (*odd, b"\xff", b"", bytes(9), bytes(12), -1, 0, 2, 2**31, 2**63 - 1)

    def edit(db: sqlite3.Connection) -> None:
        for _ in range(dice.choice((1, 1, 2, 5))):
            table = dice.choice(TABLES)
            columns = [str(row[1]) for row in db.execute(f"PRAGMA table_info({table})")]
            some = dice.choice(("", " WHERE rowid % 3 = 0"))
            act = f"UPDATE OR IGNORE {table} SET {dice.choice(columns)} = ?{some}"  # noqa: S608
            with contextlib.suppress(sqlite3.Error):  # a column that must not be that
                db.execute(act, (dice.choice(values),))

    return {**files, SQLITE: _edited(files[SQLITE], edit)}


def _schema(dice: random.Random, files: dict[str, bytes]) -> Files:
    """Change what makes the tables, as a bare file may say anything."""

    def edit(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA writable_schema = ON")
        column, value = dice.choice(
            (
                ("rootpage", dice.randrange(60)),
                ("sql", "CREATE VIEW embeddings AS SELECT 1"),
                ("sql", "CREATE TABLE x(a, b AS(printf('%*d',300000000,1)))"),
                ("sql", f"CREATE TABLE x(a CHECK({'(' * 999}1{')' * 999}))"),
                ("sql", None),
                ("name", dice.choice(TABLES)),
                ("type", dice.choice(("view", "trigger", "index", "table"))),
            )
        )
        db.execute(
            f"UPDATE sqlite_master SET {column} = ? WHERE rowid % ? = 0",  # noqa: S608
            (value, dice.choice((1, 5, 17))),
        )

    return {**files, SQLITE: _edited(files[SQLITE], edit)}


def _files(dice: random.Random, files: dict[str, bytes]) -> Files:
    """Change names and bytes of loose objects, an index's most of all."""
    name = dice.choice(sorted(files))
    body = files.pop(name)
    if dice.random() < 0.2:
        return {**files, dice.choice(_NAMES): body}
    return {**files, name: bytes_mutated(dice, body)}


def _log(dice: random.Random) -> list[LogRecord]:
    """Records of the log, their metadata changed."""
    records = []
    for at in range(dice.choice((1, 3, 20))):
        made: Any = {**_METADATA, "chroma:document": "text"}
        said: Any = json.dumps(json_mutated(dice, made))
        if dice.random() < 0.1:
            said = dice.choice((nested(dice).decode(), "{", None, 5, b"{}", "[]", "1e999"))
        vector = bytes_mutated(dice, bytes(4 * _WIDTH), 2) if dice.random() < 0.3 else bytes(12)
        act = dice.choice((0, 1, 2, 2, 3, 9 if dice.random() < 0.05 else 2))
        records.append(LogRecord(at, act, dice.choice(_IDS[:3]), vector, "FLOAT32", said))
    return records


def _replay(records: list[LogRecord]) -> None:
    segments = Segments({}, {})
    for record in records:
        segments.replay_fields(record)
        segments.replay_vector(record)
    found = {
        id_: Record(vector, fields, None)
        for id_, fields in segments.fields.items()
        if not isinstance(vector := segments.vector(id_), str)
    }
    _judged(Contents(found, segments.broken))


def _judged(contents: Contents) -> None:
    """Go on to what a merge does next: what is wrong with a record is its own reason."""
    judged = judge(contents, _NAME, _WIDTH)
    if len(judged.records) + len(judged.refused) < len(contents):
        raise AssertionError("a record is neither taken nor refused")


def _edited(body: bytes, edit: Any) -> bytes:
    with closing(sqlite3.connect(":memory:")) as db:
        db.deserialize(body)
        edit(db)
        db.commit()
        return db.serialize()
