"""What waits for the vector index, hidden from chromadb: not read with each write, and not lost.

That a writer's versions are the same is shown by tests/property/test_chain.py. Red here means that
a new chromadb behaves otherwise.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from instep.chroma import collection as engine
from instep.chroma import waiting
from instep.chroma.hnsw.stub import lay_stub
from instep.chroma.sqlite_rows import SQLITE, queued, standing, vector_segment
from instep.errors import SnapshotUnsupported
from tests.support.snapshots import NAME, WIDTH, Act, adds, fill, names, updates

UNREADABLE: Final = "UPDATE embeddings_queue SET vector = x'00' WHERE seq_id = 3"


@pytest.fixture
def waits(tmp_path: Path) -> Path:
    """A closed directory in which ten vectors wait, and the stub that a writer finds."""
    directory = tmp_path / "chroma"
    fill(directory, 10)
    lay_stub(directory / vector_segment(directory / SQLITE), WIDTH)
    return directory


def execute(main: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(main)) as database, database:
        return database.execute(statement).fetchall()


def write(directory: Path, act: Act) -> None:
    with engine.opened(directory, NAME) as collection:
        act(collection)


def test_chromadb_reads_with_each_write_what_waits_unless_it_is_hidden(waits: Path) -> None:
    """One that cannot be read is how it is known."""
    main = waits / SQLITE
    execute(main, UNREADABLE)
    with pytest.raises(Exception, match=r"(?i)vector|encod|length|log"):
        write(waits, updates(["w00001"], n=1))
    hidden = waiting.hide(main)
    write(waits, updates(["w00001"], n=2))
    waiting.show(main, hidden)
    assert execute(main, "SELECT count(*) FROM embeddings_queue WHERE vector IS NOT NULL") == [
        (10,)
    ]


def test_chromadb_drops_what_the_index_is_said_to_have_unless_told_to_keep_it(waits: Path) -> None:
    """Were this otherwise, the flag would be set for nothing, and `show` could find no loss."""
    main = waits / SQLITE
    hidden = waiting.hide(main)
    with closing(sqlite3.connect(main)) as database, database:
        told = [hidden.configuration]
        database.execute("UPDATE embeddings_queue_config SET config_json_str = ?", told)
    write(waits, adds(["new"]))
    with pytest.raises(SnapshotUnsupported, match="dropped 9 of the vectors"):
        waiting.show(main, hidden)


def test_afterwards_everything_is_said_as_before(waits: Path) -> None:
    main = waits / SQLITE
    said = "SELECT * FROM max_seq_id ORDER BY 1", "SELECT * FROM embeddings_queue_config"
    before, holds = [execute(main, each) for each in said], standing(main)
    hidden = waiting.hide(main)
    assert [execute(main, each) for each in said] != before
    assert queued(main) == (frozenset(), 0), "nothing waits, it says"
    waiting.show(main, hidden)
    assert [execute(main, each) for each in said] == before
    assert standing(main) == holds
    assert queued(main)[0] == set(names(10))
