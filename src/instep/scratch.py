"""Scratch folders that belong to a living process: what a killed one left, the next one removes.

Whoever makes a folder holds an flock on it, which a killed process gives up by dying. Its name
carries a mark of ours, so nothing of anybody else's is ever taken for scratch.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

_MARK: Final = "instep-scratch-"
_NOT_OURS: Final = frozenset({errno.EACCES, errno.ELOOP, errno.ENOENT, errno.ENOTDIR, errno.EPERM})


@contextmanager
def scratch_folder(root: Path, purpose: str) -> Iterator[Path]:
    """Yield an empty folder under `root`, removed when the block ends; `purpose` is in its name.

    What dead processes left under `root` is removed first.
    """
    sweep_scratch(root)
    folder, descriptor = _made(root, purpose)
    try:
        yield folder
    finally:
        _remove(folder, descriptor)


def sweep_scratch(root: Path) -> None:
    """Remove the scratch folders under `root` that no living process owns. Never fails."""
    with suppress(OSError):
        for folder in root.glob(f"{_MARK}*"):
            descriptor = _lock(folder)
            if descriptor is not None:
                _remove(folder, descriptor)


def _made(root: Path, purpose: str) -> tuple[Path, int]:
    """Make a folder and own it; a sweep may take one for a dead process's before it is owned."""
    while True:
        folder = Path(mkdtemp(prefix=f"{_MARK}{purpose}-", dir=root))
        descriptor = _lock(folder)
        if descriptor is not None:
            return folder, descriptor


def _lock(folder: Path) -> int | None:
    """Lock a folder of this user's; None for what is no such folder, or is a living owner's."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in _NOT_OURS:
            return None
        raise
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = os.fstat(descriptor)
        if held.st_uid == os.geteuid() and os.path.samestat(held, folder.lstat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _remove(folder: Path, descriptor: int) -> None:
    """Remove a folder and give up its lock; what stays, the next sweep finds."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)
