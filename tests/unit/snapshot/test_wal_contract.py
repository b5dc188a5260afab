"""What the engine leans on in chromadb and SQLite: red here means a new version behaves otherwise.

Each test states one behaviour that `sqlite_wal`, `sqlite_rows`, `collection` or `writable` needs.
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import Any

import chromadb
import pytest

from instep.chroma import collection as engine
from instep.chroma import installed, sqlite_rows, sqlite_wal
from instep.chroma.hnsw.stub import lay_stub
from instep.chroma.sqlite_rows import OUT_OF_REACH, SQLITE
from instep.difference import Changes, Update
from instep.errors import SnapshotUnsupported
from instep.snapshot.copy.writable import check_writable
from tests.support.snapshots import (
    NAME,
    WIDTH,
    adds,
    assert_searched,
    deletes,
    names,
    seen_in,
    updates,
    vector,
)
from tests.support.wal import changed_pages, held_back


def queue(main: Path) -> list[tuple[int, bool]]:
    """Every queued record: its number, and whether it has a vector."""
    with closing(sqlite3.connect(main)) as database:
        rows = database.execute("SELECT seq_id, vector IS NOT NULL FROM embeddings_queue")
        return [(seq, bool(has)) for seq, has in rows]


def test_a_held_wal_outlives_close_and_leaves_the_main_file_alone(directory: Path) -> None:
    main = directory / SQLITE
    sqlite_wal.arm(main)
    before = main.read_bytes()
    with held_back(directory, lambda c: [updates(names(200), round=n)(c) for n in range(60)]):
        size, pages = changed_pages(main)
        assert sqlite_wal.wal_of(main).stat().st_size > 1000 * 4120, "what would be checkpointed"
        assert main.read_bytes() == before
        assert pages
        assert size % 4096 == 0


def test_a_client_of_a_plain_file_is_refused_by_the_hold(directory: Path) -> None:
    client = engine.open_client(directory)
    try:
        with pytest.raises(SnapshotUnsupported, match="WAL mode"):
            sqlite_wal.Hold(directory / SQLITE)
    finally:
        engine.close_client(client)


def test_a_stub_keeps_every_vector_for_who_loads_the_index(directory: Path) -> None:
    with engine.opened(directory, NAME) as collection:
        engine.persist_after(collection, 2)
    with engine.opened(directory, NAME) as collection:
        collection.query(query_embeddings=[vector("w00001")], n_results=1)  # type: ignore[arg-type]
        engine.persist_after(collection, OUT_OF_REACH)
    index = next(path for path in directory.iterdir() if path.is_dir())
    assert (index / "index_metadata.pickle").exists()
    aside = directory.parent / "index"
    index.rename(aside)
    lay_stub(index, WIDTH)
    laid = {path: path.read_bytes() for path in index.iterdir()}
    with engine.opened(directory, NAME) as collection:
        adds(names(30, 500))(collection)
        deletes(names(10))(collection)
    assert {path: path.read_bytes() for path in index.iterdir()} == laid, "a stub was persisted"
    shutil.rmtree(index)
    aside.rename(index)
    with engine.opened(directory, NAME) as collection:
        got: Any = collection.get(include=["embeddings"])
        assert len(got["ids"]) == 220
        vectors = dict(zip(got["ids"], (list(one) for one in got["embeddings"]), strict=True))
        assert vectors == {id_: vector(id_) for id_ in [*names(190, 10), *names(30, 500)]}
        assert_searched(collection, vectors)


def test_other_threads_run_while_the_queue_is_replayed(directory: Path) -> None:
    """Or no heartbeat would keep the lease while a fold lets chromadb insert for minutes."""
    with engine.opened(directory, NAME) as collection:
        adds(names(4000, 1000))(collection)
    replayed, ran = Event(), [0]

    def beat() -> None:
        while not replayed.wait(0.001):
            ran[0] += 1

    with engine.opened(directory, NAME) as collection:
        thread = Thread(target=beat)
        thread.start()
        try:
            collection.get(limit=1)
        finally:
            replayed.set()
            thread.join()
    assert ran[0] > 10


def test_the_default_threshold_is_refused(tmp_path: Path) -> None:
    client = engine.open_client(tmp_path / "c")
    client.create_collection(NAME, embedding_function=None)
    engine.close_client(client)
    with pytest.raises(SnapshotUnsupported, match="sync_threshold is 1000"):
        check_writable(tmp_path / "c" / SQLITE, NAME)


def test_a_collection_of_ours_is_writable_and_one_beside_it_is_refused(directory: Path) -> None:
    check_writable(directory / SQLITE, NAME)
    client = engine.open_client(directory)
    engine.create_collection(client, "other")
    engine.close_client(client)
    with pytest.raises(SnapshotUnsupported, match="holds the collections"):
        check_writable(directory / SQLITE, NAME)


def test_another_schema_is_refused(directory: Path) -> None:
    main = directory / SQLITE
    sqlite_wal.check_schema(main)
    with closing(sqlite3.connect(main, isolation_level=None)) as database:
        database.execute("INSERT INTO migrations VALUES ('sysdb', 99, 'new', '', 'x')")
    with pytest.raises(SnapshotUnsupported, match="another schema"):
        sqlite_wal.check_schema(main)
    main.write_bytes(b"no database at all" * 500)
    with pytest.raises(SnapshotUnsupported, match="another schema"):
        sqlite_wal.check_schema(main)


def test_another_chromadb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "WRITER", "0.0.1")
    with pytest.raises(SnapshotUnsupported, match=r"pip install 'chromadb==0\.0\.1'"):
        engine.open_client(tmp_path / "c")


def test_pruning_keeps_vectors_and_the_last_record_and_loses_no_update(directory: Path) -> None:
    main = directory / SQLITE
    with engine.opened(directory, NAME) as collection:
        updates(names(100), colour="red")(collection)
    assert len(queue(main)) == 300
    standing = sqlite_rows.prune(main)
    assert queue(main) == [*((n, True) for n in range(1, 201)), (300, False)]
    assert (standing.embeddings, standing.pending_vectors, standing.last_seq) == (200, 200, 300)
    with engine.opened(directory, NAME) as collection:
        updates(["w00000"], colour="blue")(collection)
        got = collection.get(ids=["w00000", "w00001"])["metadatas"]
    assert [row["colour"] for row in got or []] == ["blue", "red"]
    assert sqlite_rows.prune(main).last_seq == 301
    assert len(seen_in(directory)) == 200


def test_every_open_writes_a_row_that_pruning_removes(directory: Path) -> None:
    def rows() -> int:
        with closing(sqlite3.connect(directory / SQLITE)) as database:
            return int(database.execute("SELECT count(*) FROM acquire_write").fetchone()[0])

    before = rows()
    with engine.opened(directory, NAME) as collection:
        collection.count()
    assert rows() == before + 1
    sqlite_rows.prune(directory / SQLITE)
    assert rows() == 1


def test_a_document_is_written_without_embedding_it(directory: Path) -> None:
    with engine.opened(directory, NAME) as collection:
        engine.apply(collection, Changes(updates={"w00003": Update({"colour": "red"}, "new text")}))
        engine.apply(collection, Changes(updates={"w00004": Update({}, "only text")}))
        assert collection.get(where_document={"$contains": "only"})["ids"] == ["w00004"]
    seen = seen_in(directory)
    assert seen["w00003"].document == "new text"
    assert seen["w00003"].metadata == {"place": "w00003", "colour": "red"}
    assert list(seen["w00003"].vector) == vector("w00003")
    assert (seen["w00004"].document, seen["w00004"].metadata) == ("only text", {"place": "w00004"})


def test_a_closed_client_frees_its_path(directory: Path) -> None:
    for expected in (200, 199):
        with engine.opened(directory, NAME) as collection:
            assert collection.count() == expected
            collection.delete(ids=[names(1, 200 - expected)[0]])
    client = chromadb.PersistentClient(str(directory))
    assert client.get_collection(NAME, embedding_function=None).count() == 198
    engine.close_client(client)
