"""What the engine leans on in chromadb's tables and files; on its WAL: `test_wal_contract`.

Red here means that a new chromadb behaves otherwise.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from instep.chroma import collection as engine
from instep.chroma import sqlite_rows, sqlite_wal
from instep.chroma.sqlite_rows import OUT_OF_REACH, SQLITE
from tests.support.snapshots import NAME, Act, adds, deletes, names, seen_in, updates, vector

INDEX = ["data_level0.bin", "header.bin", "index_metadata.pickle", "length.bin", "link_lists.bin"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A Chroma directory with an empty collection, closed."""
    client = engine.open_client(tmp_path / "chroma")
    engine.create_collection(client, NAME)
    engine.close_client(client)
    return tmp_path / "chroma"


def test_what_each_call_queues(directory: Path) -> None:
    """`prune` drops updates without a vector, and a reader replays all vectors and deletes."""
    some: Any = [vector("x")]
    with engine.opened(directory, NAME) as collection:
        adds(["a"])(collection)
        updates(["a"], n=1)(collection)
        collection.update(ids=["a"], embeddings=some)
        collection.upsert(ids=["b"], embeddings=some)
        deletes(["a"])(collection)
    with closing(sqlite3.connect(directory / SQLITE)) as database:
        queued = database.execute(
            "SELECT operation, vector IS NOT NULL FROM embeddings_queue ORDER BY seq_id"
        ).fetchall()
    assert queued == [(0, 1), (1, 0), (1, 1), (2, 1), (3, 0)]


def test_one_call_takes_a_chunk(directory: Path) -> None:
    client = engine.open_client(directory)
    try:
        assert client.get_max_batch_size() == engine.CHUNK
    finally:
        engine.close_client(client)


def test_an_update_merges_and_of_a_missing_id_says_nothing(directory: Path) -> None:
    with engine.opened(directory, NAME) as collection:
        adds(["a"], colour="red", size=1)(collection)
        collection.update(ids=["a", "missing"], metadatas=[{"colour": None, "n": 2}, {"n": 2}])
    (only,) = seen_in(directory).values()
    assert only.metadata == {"place": "a", "size": 1, "n": 2}


def test_a_vector_waits_only_where_there_can_be_an_index(directory: Path) -> None:
    """chromadb gives a collection its dimension, and so an index, with the first vector."""
    with engine.opened(directory, NAME) as collection:
        deletes(["a"])(collection)
    assert sqlite_rows.standing(directory / SQLITE).pending_vectors == 0
    with engine.opened(directory, NAME) as collection:
        adds(["a"])(collection)
        deletes(["a"])(collection)
        updates(["a"], n=1)(collection)
    assert sqlite_rows.standing(directory / SQLITE).pending_vectors == 3


def test_an_index_is_persisted_when_told_and_is_five_files(directory: Path) -> None:
    with engine.opened(directory, NAME) as collection:
        adds(names(30))(collection)
        updates(names(30), n=1)(collection)
        collection.query(query_embeddings=[vector("w00001")], n_results=1)  # type: ignore[arg-type]
    assert [path.name for path in directory.rglob("*.pickle")] == [], "out of reach is never"
    with engine.opened(directory, NAME) as collection:
        engine.persist_after(collection, 1)
    with engine.opened(directory, NAME) as collection:
        collection.get(limit=1, include=["embeddings"])
        engine.persist_after(collection, OUT_OF_REACH)
    index = directory / sqlite_rows.vector_segment(directory / SQLITE)
    assert sorted(path.name for path in index.iterdir()) == INDEX
    before = {path.name: path.read_bytes() for path in index.iterdir()}
    assert sqlite_rows.prune(directory / SQLITE).pending_vectors == 0
    with engine.opened(directory, NAME) as collection:
        adds(names(10, 30))(collection)
        collection.query(query_embeddings=[vector("w00031")], n_results=1)  # type: ignore[arg-type]
    assert {path.name: path.read_bytes() for path in index.iterdir()} == before


def test_a_replaced_vector_of_a_lone_point_is_lost_in_silence(directory: Path) -> None:
    """What `persist` reads back and writes anew; the day this is red it need not any more."""

    def persisted(act: Act) -> None:
        with engine.opened(directory, NAME) as collection:
            act(collection)
            engine.persist_after(collection, 1)
        with engine.opened(directory, NAME) as collection:
            collection.get(limit=1)
            engine.persist_after(collection, OUT_OF_REACH)

    new: Any = [vector("new")]
    persisted(adds(names(1)))
    persisted(lambda collection: collection.update(ids=names(1), embeddings=new))
    assert sqlite_rows.prune(directory / SQLITE).pending_vectors == 0, "chromadb says it is done"
    (only,) = seen_in(directory).values()
    assert only.vector == tuple(vector("w00000"))


def test_without_a_hold_closing_brings_the_wal_in(directory: Path) -> None:
    """What `Hold` is for: were this otherwise, its tests would hold nothing."""
    main = directory / SQLITE
    sqlite_wal.arm(main)
    before = main.read_bytes()
    with engine.opened(directory, NAME) as collection:
        adds(names(5))(collection)
        assert sqlite_wal.wal_of(main).exists()
    assert not sqlite_wal.wal_of(main).exists()
    assert main.read_bytes() != before


def test_a_database_is_read_alone_beside_its_wal(directory: Path) -> None:
    main = directory / SQLITE
    before = sqlite_rows.standing(main)
    sqlite_wal.arm(main)
    client = engine.open_client(directory)
    hold = sqlite_wal.Hold(main)
    adds(names(5))(engine.get_collection(client, NAME))
    engine.close_client(client, hold.descriptors)
    assert sqlite_rows.standing(main) == before
    assert sqlite_rows.prune(main).embeddings == 5, "with its WAL"
    assert sqlite_rows.standing(main) == before, "which pruning does not bring in"
    hold.release()
