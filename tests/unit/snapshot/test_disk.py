"""Whose fault an error is: the disk's, in whatever words it comes, or somebody else's, as it is."""

import errno
import os
import resource
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from instep.archive import ArchiveRejected
from instep.chroma.collection import close_client, create_collection, open_client
from instep.chroma.persisting import persist
from instep.disk import on_disk
from instep.errors import DeltaRejected, StorageUnavailable
from tests.support.processes import FORKED
from tests.support.snapshots import NAME, adds, names

TOLD = 3
ROOM = [errno.ENOSPC, errno.EDQUOT, errno.EFBIG]


@pytest.mark.parametrize("number", [*ROOM, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE])
def test_what_the_disk_refuses_is_tried_again_and_says_what_to_do(number: int) -> None:
    cure = "ephemeral storage" if number in ROOM else "disk or its limit of open files"
    with (
        pytest.raises(StorageUnavailable, match=f"read a delta: the local disk .*{cure}"),
        on_disk("read a delta"),
    ):
        raise OSError(number, os.strerror(number))


def test_what_was_raised_from_it_is_the_disks_too() -> None:
    archive, delta = ArchiveRejected("unreadable"), DeltaRejected("an archive that is none")
    archive.__cause__ = OSError(errno.EIO, "broken")
    with pytest.raises(StorageUnavailable, match="broken") as told, on_disk("unpack"):
        raise delta from archive
    assert told.value.__cause__ is delta


@pytest.mark.parametrize(
    "error",
    [
        DeltaRejected("hostile"),
        StorageUnavailable("S3 is slow"),
        FileNotFoundError(errno.ENOENT, "gone"),
        OSError("Not a gzipped file"),
        ValueError("(code: 13)"),
        KeyboardInterrupt(),
        sqlite3.DatabaseError("malformed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_all_else_goes_up_as_it_is(error: BaseException) -> None:
    with pytest.raises(type(error)) as told, on_disk("read a delta"):
        raise error
    assert told.value is error


def test_sqlite_says_it_by_its_result_code(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "full.sqlite3")) as database:
        database.execute("PRAGMA max_page_count = 10")
        database.execute("CREATE TABLE t (x)")
        with pytest.raises(StorageUnavailable, match="disk is full"), on_disk("fold"):
            database.execute("INSERT INTO t VALUES (zeroblob(1000000))")
        with pytest.raises(sqlite3.OperationalError, match="no such table"), on_disk("fold"):
            database.execute("INSERT INTO nowhere VALUES (1)")


# -- how chromadb says it: the words this release was tested with


def bounded(size: int) -> None:
    """Let the kernel refuse what would make a file larger, in this process, for good."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def opens(directory: Path) -> None:
    bounded(10_000)
    open_client(directory)


def writes_its_log(directory: Path) -> None:
    collection = create_collection(open_client(directory), NAME)
    bounded(400_000)
    adds(names(3000), pad="x" * 200)(collection)


def writes_its_fields(directory: Path) -> None:
    collection = create_collection(open_client(directory), NAME)
    bounded(2_000_000)
    adds(names(3000), pad="x" * 200)(collection)


def writes_its_index(directory: Path) -> None:
    client: Any = open_client(directory)
    adds(names(3000))(create_collection(client, NAME))
    close_client(client)
    with closing(sqlite3.connect(directory / "chroma.sqlite3")) as database:
        database.execute("VACUUM")  # so that the limit is met by the index's files
    bounded(100_000)
    persist(directory, NAME)


def is_told(act: Callable[[Path], None], directory: Path) -> None:
    """In a child, whose limits end with it: chromadb may be of no use behind such an error."""
    with pytest.raises(StorageUnavailable), on_disk("try"):
        act(directory)
    os._exit(TOLD)


@pytest.mark.parametrize("act", [opens, writes_its_log, writes_its_fields, writes_its_index])
def test_chromadb_says_it_in_words(act: Callable[[Path], None], tmp_path: Path) -> None:
    process = FORKED.Process(target=is_told, args=(act, tmp_path))
    process.start()
    process.join()
    assert process.exitcode == TOLD
