"""Counts the engine's file operations under a folder, and lets one of them find the disk full or
broken, no descriptor left, or the process dead.

Met are the calls by which Python touches files; a file that is opened to be written tells of each
write. What SQLite and chromadb do by themselves is met by the kernel's limit on a file's size.
"""

import builtins
import errno
import io
import os
import resource
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple, Self

import pytest

import instep
import receipt_chroma

_PATHS: Final = ("open", "mkdir", "rmdir", "unlink", "replace", "truncate", "scandir", "listdir")
_DESCRIPTORS: Final = ("pread", "sendfile")
_ENGINE: Final = (*instep.__path__, *receipt_chroma.__path__)


class Done(NamedTuple):
    """An operation, by the name under which Python calls it, and the engine's line it came from."""

    name: str
    place: str


class Turn(NamedTuple):
    """The so-manieth (from 0) time that an operation is done: however often others are before it,
    it is the same in every run.
    """

    done: Done
    nth: int


def turns(done: Iterable[Done]) -> list[Turn]:
    """Return each of these operations as the turn it was."""
    times: Counter[Done] = Counter()
    found = []
    for one in done:
        found.append(Turn(one, times[one]))
        times[one] += 1
    return found


@dataclass(frozen=True)
class Trouble:
    """What operations end with; `meets` are those that can (None: all).

    `lasting`: from the one that is struck on, all that it meets do; else that one alone.
    """

    error: int
    meets: frozenset[str] | None = None
    lasting: bool = False

    def can_meet(self, name: str) -> bool:
        return self.meets is None or name in self.meets

    def __str__(self) -> str:
        return errno.errorcode[self.error]


TROUBLES: Final = (
    Trouble(
        errno.ENOSPC,
        frozenset({"mkdir", "write", "writelines", "sendfile", "create"}),
        lasting=True,
    ),
    Trouble(errno.EIO),
    Trouble(
        errno.EMFILE,
        frozenset({"open", "create", "connect", "scandir", "listdir"}),
        lasting=True,
    ),
)


@dataclass
class Operations:
    """What the engine did under `root`, in order, and where it meets `trouble`; None: the process
    is killed there. `struck` says whether it has.
    """

    root: Path
    at: Turn | None = None
    trouble: Trouble | None = None
    done: list[Done] = field(default_factory=list)
    struck: bool = False
    _lock: Any = field(default_factory=Lock)

    def arrives(self, name: str, where: object) -> None:
        """Count an operation under the root, or let it fail."""
        place, path = _place(), _path(where)
        if place is None or path is None or self.root not in path.parents:
            return
        if self.trouble and not self.trouble.can_meet(name):
            return
        done = Done(name, place)
        with self._lock:
            strikes = Turn(done, self.done.count(done)) == self.at
            lasts = self.struck and self.trouble and self.trouble.lasting
            self.struck = self.struck or strikes
            self.done.append(done)
        if strikes and self.trouble is None:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.trouble and (strikes or lasts):
            raise OSError(self.trouble.error, os.strerror(self.trouble.error), str(path))


@contextmanager
def watched(operations: Operations) -> Iterator[Operations]:
    """Let the operations of the block, of all its threads, be counted and struck."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (*_PATHS, *_DESCRIPTORS):
            patch.setattr(os, name, _telling(operations, name, getattr(os, name)))
        patch.setattr(sqlite3, "connect", _telling(operations, "connect", sqlite3.connect))
        opens = _opening(operations, io.open)
        patch.setattr(io, "open", opens)
        patch.setattr(builtins, "open", opens)
        yield operations


def _telling(operations: Operations, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def told(*arguments: Any, **options: Any) -> Any:
        where = arguments[0] if options.get("dir_fd") is None else options["dir_fd"]
        operations.arrives(name, where)
        return call(*arguments, **options)

    return told


def _opening(operations: Operations, call: Callable[..., Any]) -> Callable[..., Any]:
    def told(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        writes = set(mode) & set("wxa+")
        creates = writes and mode[0] in "wxa"
        operations.arrives("create" if creates else "open", file)
        opened = call(file, mode, *arguments, **options)
        return _Written(operations, opened, file) if writes else opened

    return told


class _Written:
    """A file open to be written."""

    def __init__(self, operations: Operations, file: Any, where: Any) -> None:
        self._operations, self._file, self._where = operations, file, where

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._file, name)
        if name not in {"write", "writelines", "truncate"}:
            return found

        def told(*arguments: Any) -> Any:
            self._operations.arrives(name, self._where)
            return found(*arguments)

        return told

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _place() -> str | None:
    """Return the line of the engine that is at work; None: it is somebody else's doing."""
    frame = sys._getframe(1)
    while frame and not frame.f_code.co_filename.startswith(_ENGINE):
        frame = frame.f_back  # type: ignore[assignment]
    return frame and f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


def _path(where: object) -> Path | None:
    """Return what is touched: a path, or what a descriptor is open on."""
    if isinstance(where, int):
        try:
            return Path(f"/proc/self/fd/{where}").readlink() / "in it"
        except OSError:
            return None
    return Path(os.fsdecode(where)).absolute()  # type: ignore[arg-type]


@contextmanager
def files_bounded(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size: writes fail, in native code too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
