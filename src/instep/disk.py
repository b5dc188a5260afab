"""Whose fault an error is: the local disk's is this machine's, whoever met it, and is tried again.

A full or failing disk shows as an OSError in Python's own calls and as a result code in SQLite's.
chromadb 1.5.9 tells it in words only: sqlx's "(code: N)", std::io's "(os error N)", or, where its
compactor drops the cause, which segment it could not write. A contract test holds those words.
"""

import errno
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from instep.errors import StorageUnavailable

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FAILS: Final = _NO_ROOM | {errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_SQLITE_FAILS: Final = frozenset(  # the low byte of a result code
    {
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)
_SQLITE_SAID: Final = re.compile(r"\(code: (\d+)\)")
_SYSTEM_SAID: Final = re.compile(r"\(os error (\d+)\)|Os \{ code: (\d+)")
_UNSAID: Final = re.compile(r"Failed to apply logs to the (hnsw|metadata) segment")
_CHROMADB: Final = frozenset({"chromadb", "pyo3_runtime"})  # its errors; panics of its bindings


@contextmanager
def on_disk(act: str) -> Iterator[None]:
    """Work on the local disk; StorageUnavailable, naming `act`, when the disk fails it.

    So does every error that was raised from the disk's: what could not be read is not damaged.
    """
    try:
        yield
    except BaseException as error:  # chromadb's bindings panic with no Exception
        found = None if isinstance(error, StorageUnavailable) else _failure(error)
        if found is None:
            raise
        raise StorageUnavailable(
            f"{act}: the local disk failed: {found}; it is tried again, and {_cure(found)}"
        ) from error


def is_disks(error: BaseException) -> bool:
    """Say whether the disk or this machine failed, and not what was asked of it was amiss."""
    if isinstance(error, OSError):
        return error.errno in _FAILS
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_FAILS
    return _is_chromadbs(error) and _is_said(str(error))


def _failure(error: BaseException | None) -> BaseException | None:
    """Return the disk's error among this one and those it was raised from.

    Where chromadb drops the cause, it may as well be that of a foreign index: whoever reads such
    has judged it, and raised an error of his own from it.
    """
    if error is not None and _is_chromadbs(error) and _UNSAID.search(str(error)):
        return error
    while error is not None and not is_disks(error):
        error = error.__cause__
    return error


def _is_chromadbs(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in _CHROMADB


def _is_said(text: str) -> bool:
    by_sqlite = _SQLITE_SAID.search(text)
    if by_sqlite:
        return int(by_sqlite[1]) & 0xFF in _SQLITE_FAILS
    by_system = _SYSTEM_SAID.search(text)
    return by_system is not None and int(by_system[1] or by_system[2]) in _FAILS


def _cure(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno not in _NO_ROOM:
        return "if that repeats, this machine's disk or its limit of open files is to be looked at"
    return "if that repeats, give it more room (a function: ephemeral storage)"
