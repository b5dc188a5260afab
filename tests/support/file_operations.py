"""Counts the file operations under a folder, and lets one of them find the disk full or broken, or
the process dead.

Met are the calls by which Python touches files; a file that is opened to be written tells of each
write. What SQLite and chromadb do by themselves is met by the kernel's limit on a file's size.
"""

import builtins
import io
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

import pytest

# What a full disk refuses and what it does not, by the name under which Python calls it.
_GROWS: Final = ("mkdir", "write", "writelines", "pwrite", "sendfile", "create")
_PATHS: Final = ("open", "mkdir", "rmdir", "unlink", "replace", "truncate", "scandir", "listdir")
_DESCRIPTORS: Final = ("pwrite", "pread", "sendfile")


@dataclass
class Operations:
    """What was done under `root`, in order, and what happens at number `at` (from 0).

    `error` None: the process is killed. `lasting`: the disk is full, and stays so for whatever
    needs room; else that one operation fails.
    """

    root: Path
    at: int | None = None
    error: int | None = None
    lasting: bool = False
    done: list[str] = field(default_factory=list)
    struck: bool = False
    _lock: Any = field(default_factory=Lock)

    def arrives(self, name: str, where: object) -> None:
        """Count an operation under the root, or let it fail."""
        path = _path(where)
        if path is None or self.root not in path.parents:
            return
        with self._lock:
            self.done.append(f"{name} {path.name}")
            strikes = len(self.done) - 1 == self.at
            self.struck = self.struck or strikes
        if strikes and self.error is None:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.error and (self.struck and name in _GROWS if self.lasting else strikes):
            raise OSError(self.error, os.strerror(self.error), str(path))


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


def _path(where: object) -> Path | None:
    """Return what is touched: a path, or what a descriptor is open on."""
    if isinstance(where, int):
        try:
            return Path(f"/proc/self/fd/{where}").readlink() / "in it"
        except OSError:
            return None
    return Path(os.fsdecode(where)).absolute()  # type: ignore[arg-type]
