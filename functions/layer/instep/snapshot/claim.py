"""Directories that one process at a time works in: the first free one under a root, or a new one.

Two clients of chromadb on one directory lose vectors (docs/adr/0008), so whoever opens
a copy claims it by an flock, which a killed process gives up by dying.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def claim(root: Path) -> Iterator[Path]:
    """Yield a directory under `root` that nobody else works in until the block ends.

    Free directories beyond the one claimed are removed, so that disk use follows the number of
    those who work at once, now.
    """
    root.mkdir(parents=True, exist_ok=True)
    descriptor, directory = _first_free(root)
    try:
        for other in _numbered(root):
            if other != directory:
                _remove_if_free(other)
        yield directory
    finally:
        os.close(descriptor)


def _first_free(root: Path) -> tuple[int, Path]:
    number = 0
    while True:
        directory = root / str(number)
        directory.mkdir(exist_ok=True)
        descriptor = _lock(directory)
        if descriptor is not None:
            return descriptor, directory
        number += 1


def _lock(directory: Path) -> int | None:
    """Lock the directory itself; None when it is another's, or was removed meanwhile."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if directory.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _remove_if_free(directory: Path) -> None:
    descriptor = _lock(directory)
    if descriptor is not None:
        shutil.rmtree(directory)
        os.close(descriptor)


def _numbered(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.name.isdigit() and path.is_dir()]
