"""A Chroma directory whose changes lie in its WAL, held back from the main file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from instep.chroma import collection as engine
from instep.chroma import sqlite_wal
from instep.chroma.sqlite_rows import SQLITE
from tests.support.snapshots import NAME, Act


@contextmanager
def held_back(directory: Path, act: Act) -> Iterator[Path]:
    """Act on an armed directory and close the client; the WAL is still there in the block."""
    main = directory / SQLITE
    sqlite_wal.arm(main)
    client = engine.open_client(directory)
    hold = sqlite_wal.Hold(main)
    try:
        act(engine.get_collection(client, NAME))
    finally:
        engine.close_client(client, hold.descriptors)
    try:
        yield main
    finally:
        hold.release()


def changed_pages(main: Path) -> tuple[int, dict[int, bytes]]:
    """Return the size of what the WAL makes of the file, and every page that it changes."""
    with sqlite_wal.changed_pages(main) as (size, pages):
        return size, dict(pages)
