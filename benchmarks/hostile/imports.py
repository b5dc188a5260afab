"""What an import is handed: objects under a prefix, a Chroma directory, and the index in it."""

import random
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.hostile.boundary import Boundary
from benchmarks.hostile.case import Case
from benchmarks.hostile.memory_objects import MemoryObjects
from benchmarks.hostile.mutation import ODD, bytes_mutated
from benchmarks.source import normal_client
from instep.chroma.collection import opened
from instep.chroma.foreign.whole import read_foreign
from instep.chroma.hnsw.labels import IndexBroken
from instep.chroma.hnsw.vectors import read_vectors
from instep.chroma.sqlite_rows import SQLITE
from instep.errors import ImportRejected
from instep.snapshot.acts import predecessor
from instep.snapshot.acts.rebuilding import rebuild
from receipt_demo.producer import pack

_NAME: Final = "words"
_ID: Final = "20251001_120000"
_FOLDER: Final = f"{_NAME}/snapshot/timestamped/{_ID}/"
_NAMES: Final = ("../evil", "/etc/x", "a/b/c", "n" * 300, f"{SQLITE}/x", f"{SQLITE}-wal", "\0", ".")

Files = Mapping[str, bytes]


def boundaries(scratch: Path) -> list[Boundary]:
    """Return the boundaries of an import; a healthy directory is written in `scratch` first."""
    directory = scratch / "predecessor"
    _write(directory)
    files = {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }
    return [
        _objects(files, pack(directory), scratch),
        _directory(files, scratch),
        _index(files, scratch),
    ]


def _write(directory: Path) -> None:
    """Write 45 embeddings: some persisted, some in the log, some deleted."""
    client = normal_client(directory)
    configuration: Any = {"hnsw": {"space": "cosine", "sync_threshold": 20, "batch_size": 10}}
    collection = client.create_collection(
        _NAME, embedding_function=None, configuration=configuration
    )
    for start in (0, 25):
        numbers = range(start, start + 25)
        vectors: Any = [[float(number % 7), 1.0, 2.0] for number in numbers]
        collection.add(
            ids=[f"w{number}" for number in numbers],
            embeddings=vectors,
            metadatas=[{"n": number, "s": "x", "f": 0.5, "l": ["a", "b"]} for number in numbers],
            documents=["text"] * 25,
        )
        collection.get(limit=1)
    collection.delete(ids=[f"w{number}" for number in range(5)])
    client.close()  # type: ignore[attr-defined]


def _objects(files: Files, archive: bytes, scratch: Path) -> Boundary:
    def changed(dice: random.Random) -> dict[str, bytes]:
        held = {"snapshot.tar.gz": archive} if dice.random() < 0.5 else dict(files)
        name = dice.choice(sorted(held))
        if dice.random() < 0.2:
            held[dice.choice(_NAMES)] = held.pop(name)
        else:
            held[name] = bytes_mutated(dice, held[name])
        objects = {f"{_FOLDER}{name}": body for name, body in held.items()}
        pointer = bytes_mutated(dice, _ID.encode()) if dice.random() < 0.1 else _ID.encode()
        return {**objects, f"{_NAME}/snapshot/latest-pointer.txt": pointer}

    def look(objects: dict[str, bytes]) -> None:
        with TemporaryDirectory(dir=scratch) as name:
            predecessor.fetch(MemoryObjects(objects), _NAME, None, Path(name), lambda *_: None)

    return Case("import objects", (ImportRejected,), changed, look)


def _directory(files: Files, scratch: Path) -> Boundary:
    """All of an import but S3, and a search in what came of it: it must not lead astray."""

    def look(changed: Files) -> None:
        with TemporaryDirectory(dir=scratch) as name:
            theirs, made = Path(name) / "theirs", Path(name) / "made"
            _lay(theirs, changed)
            rebuild(theirs, made, _NAME, read_foreign, lambda _: {}, lambda *_: None)
            with opened(made, _NAME) as collection:
                if collection.count():
                    near: Any = [[1.0] * (collection.get_model().dimension or 1)]
                    collection.query(query_embeddings=near, n_results=5)

    return Case("import directory", (ImportRejected,), lambda dice: _some(dice, files), look)


def _index(files: Files, scratch: Path) -> Boundary:
    """The index alone: more of it in the same time."""
    held = {name.split("/")[1]: body for name, body in files.items() if "/" in name}
    segment = scratch / "index"
    _lay(segment, held)

    def look(changed: tuple[str, bytes]) -> None:
        name, body = changed
        (segment / name).write_bytes(body)
        try:
            read_vectors(segment, cosine=True)
        finally:
            (segment / name).write_bytes(held[name])

    def changed(dice: random.Random) -> tuple[str, bytes]:
        name = dice.choice(sorted(held))
        return name, bytes_mutated(dice, held[name])

    return Case("import index", (IndexBroken,), changed, look)


def _some(dice: random.Random, files: Files) -> Files:
    """Change bytes of a file, or values of the database by its own means."""
    if dice.random() < 0.5:
        return {**files, SQLITE: _edited(dice, files[SQLITE])}
    name = dice.choice(sorted(files))
    return {**files, name: bytes_mutated(dice, files[name])}


def _edited(dice: random.Random, body: bytes) -> bytes:
    with closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(body)
        tables = [
            str(name)
            for (name,) in database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'"
                " AND name NOT LIKE '%fulltext%' ORDER BY name"
            )
        ]
        for _ in range(dice.choice((1, 2, 5))):
            _edit(dice, database, dice.choice(tables))
        database.commit()
        return database.serialize()


def _edit(dice: random.Random, database: sqlite3.Connection, table: str) -> None:
    columns = [str(row[1]) for row in database.execute(f"PRAGMA table_info({table})")]
    odd = [one for one in ODD if isinstance(one, str | float | type(None)) and one != "\ud800"]
    values = (*odd, b"\xff", b"", bytes(9), -1, 0, 2**31, 2**63 - 1)
    statement = dice.choice(
        (
            "UPDATE OR IGNORE {0} SET {1} = ? WHERE rowid % 3 = 0",
            "UPDATE OR IGNORE {0} SET {1} = ?",
            "DELETE FROM {0} WHERE {1} IS NOT ? AND rowid % 3 = 0",
        )
    ).format(table, dice.choice(columns))
    try:
        database.execute(statement, (dice.choice(values),))
    except sqlite3.Error:
        database.execute(f"DELETE FROM {table}")  # noqa: S608 - a column that must not be that


def _lay(directory: Path, files: Files) -> None:
    for name, body in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
