"""What chromadb's native half does over content it cannot work with ends as an error with a name.

Red here may mean that a new chromadb panics otherwise, or keeps its bindings elsewhere.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from chromadb.errors import InternalError

from instep.chroma import panics
from instep.chroma.collection import close_client, create_collection, open_client, opened
from instep.chroma.gate import Gate
from instep.chroma.sqlite_rows import SQLITE
from instep.chroma.sqlite_wal import wait_until_closed
from instep.errors import ChromaPanicked
from tests.support.snapshots import NAME, adds, database, names


def edit(directory: Path, statement: str) -> None:
    with closing(sqlite3.connect(directory / SQLITE)) as connection:
        connection.execute(statement)
        connection.commit()


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A directory over which chromadb 1.5.9 panics as soon as the collection is asked for."""
    database(tmp_path / "odd", NAME)
    edit(tmp_path / "odd", "UPDATE collections SET dimension = 'x'")
    return tmp_path / "odd"


def test_a_panic_has_a_name_and_leaves_nothing_open(odd: Path) -> None:
    with (
        pytest.raises(ChromaPanicked, match=r"mismatched types.*instep rollback"),
        opened(odd, NAME),
    ):
        pass  # and `opened` has waited until no file of the directory was open
    edit(odd, "UPDATE collections SET dimension = 8")
    with opened(odd, NAME) as collection:
        assert collection.count() == 20


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(KeyboardInterrupt), panics.named():
        raise KeyboardInterrupt


def test_a_directory_that_could_not_be_opened_opens_once_it_is_right(tmp_path: Path) -> None:
    """chromadb keeps what failed to start, and hands it to each later client of that path."""
    database(tmp_path / "odd", NAME)
    edit(tmp_path / "odd", "UPDATE migrations SET hash = hash || 'x'")
    for _ in range(2):
        with pytest.raises(InternalError, match="Inconsistent hash"):
            open_client(tmp_path / "odd")
    edit(tmp_path / "odd", "UPDATE migrations SET hash = rtrim(hash, 'x')")
    with opened(tmp_path / "odd", NAME) as collection:
        assert collection.count() == 20


def test_two_clients_of_a_directory_share_what_the_last_one_drops(tmp_path: Path) -> None:
    first = open_client(tmp_path / "shared")
    second = open_client(tmp_path / "shared")
    adds(names(3))(create_collection(first, NAME))
    panics.close(first)
    assert second.get_collection(NAME, embedding_function=None).count() == 3
    close_client(second)


def test_a_panic_behind_a_reader_s_gate_has_its_name_and_closes_too(odd: Path) -> None:
    edit(odd, "UPDATE collections SET dimension = 8")
    client = open_client(odd)
    gate = Gate(client)
    edit(odd, "UPDATE collections SET dimension = 'x'")
    try:
        with pytest.raises(ChromaPanicked):
            client.get_collection(NAME, embedding_function=None)
        with gate.alone():
            gate.stop()
            wait_until_closed(odd)
            gate.start()
        client.get_collection(NAME, embedding_function=None)
    except ChromaPanicked:
        gate.stop()
        close_client(client)  # while the error, with all its frames, is being handled
