"""The WAL as the list of changed pages: complete, exact, and read as it is asked for."""

import os
import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest

from instep.chroma import sqlite_wal
from instep.chroma.sqlite_rows import SQLITE
from instep.snapshot.format.pages import changed, write_pages
from tests.support.snapshots import (
    adds,
    deletes,
    names,
    seen_in,
    updates,
)
from tests.support.wal import changed_pages, held_back


def test_the_wal_and_a_scan_find_the_same_pages(directory: Path, tmp_path: Path) -> None:
    main, old = directory / SQLITE, tmp_path / "old"
    with held_back(directory, lambda c: (adds(names(50, 200))(c), deletes(names(20))(c))):
        old.write_bytes(main.read_bytes())
        size, pages = changed_pages(main)
    write_pages(main, pages, size)
    sqlite_wal.drop(main)
    scanned = changed(old, main, sqlite_wal.normal_page)
    assert scanned.items() <= pages.items()
    before = old.read_bytes()
    for number in pages.keys() - scanned.keys():  # written again with the bytes they had
        kept = before[(number - 1) * 4096 : number * 4096]
        assert sqlite_wal.normal_page(number, kept) == pages[number]
    assert main.stat().st_size == size
    sqlite_wal.disarm(main)
    assert len(seen_in(directory)) == 230


def test_dropping_the_wal_leaves_the_parent_byte_for_byte(directory: Path) -> None:
    main = directory / SQLITE
    before = main.read_bytes()
    with held_back(directory, deletes(names(200))):
        pass
    sqlite_wal.disarm(main)
    assert main.read_bytes() == before
    assert len(seen_in(directory)) == 200


def test_a_transaction_that_never_ended_is_left_out(directory: Path) -> None:
    with held_back(directory, updates(["w00001"], colour="red")) as main:
        whole = changed_pages(main)
        wal = sqlite_wal.wal_of(main)
        frames = wal.read_bytes()[32:]
        last = frames[-4120:]
        uncommitted = last[:4] + bytes(4) + last[8:24] + b"\xff" * 4096
        with wal.open("ab") as file:
            file.write(uncommitted)
            file.write(b"half a frame")
        assert changed_pages(main) == whole


def test_a_page_that_nobody_wrote_is_shipped_as_the_zeros_it_is(directory: Path) -> None:
    """SQLite leaves out the page of its lock bytes; a commit says how far the file grew by it."""
    with held_back(directory, updates(["w00001"], colour="red")) as main:
        size, written = changed_pages(main)
        wal = sqlite_wal.wal_of(main)
        frames = bytearray(wal.read_bytes())
        frames[-4116:-4112] = (size // 4096 + 2).to_bytes(4, "big")  # the last commit's page count
        wal.write_bytes(frames)
        grown, pages = changed_pages(main)
    assert grown == size + 2 * 4096
    assert pages == written | {size // 4096 + 1: bytes(4096), size // 4096 + 2: bytes(4096)}


def test_frames_of_an_earlier_wal_are_left_out(tmp_path: Path) -> None:
    """SQLite begins a WAL anew over the old one: what lies behind has another salt."""
    main, aside = tmp_path / SQLITE, tmp_path / "aside"
    with closing(sqlite3.connect(main, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (x)")
        database.executemany("INSERT INTO t VALUES (?)", [("a" * 1000,)] * 100)
        database.execute("PRAGMA wal_checkpoint(RESTART)")
        length = sqlite_wal.wal_of(main).stat().st_size
        database.execute("UPDATE t SET x = 'b' WHERE rowid = 1")
        assert sqlite_wal.wal_of(main).stat().st_size == length, "the old frames are still there"
        size, pages = changed_pages(main)
        aside.write_bytes(main.read_bytes())
    assert 0 < len(pages) <= 2
    write_pages(aside, pages, size)
    sqlite_wal.disarm(main)
    sqlite_wal.disarm(aside)
    assert aside.read_bytes() == main.read_bytes()


def test_what_a_run_changed_need_not_fit_into_memory(directory: Path) -> None:
    with held_back(directory, adds(names(2000, 200))) as main:
        tracemalloc.start()
        try:
            with sqlite_wal.changed_pages(main) as (_, pages):
                read = sum(len(pages[number]) for number in pages)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert read > 1_000_000
    assert most < read / 4


def test_a_wal_that_is_cut_off_while_it_is_read_is_no_page_of_zeros(directory: Path) -> None:
    with (
        held_back(directory, adds(names(50, 200))) as main,
        sqlite_wal.changed_pages(main) as (_, pages),
    ):
        os.truncate(sqlite_wal.wal_of(main), 32)
        with pytest.raises(OSError, match="cut off"):
            dict(pages)
