"""Directories that one process at a time works in: the first free one under a root, or a new one.

Two clients of chromadb on one directory lose vectors (docs/adr/0008), so whoever opens
a copy claims it by an flock, which a killed process gives up by dying. The root may hold what is
somebody else's: a directory is ours by the mark in it, and only such are worked in or removed.
"""

import fcntl
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from instep.disk import is_disks

MARK: Final = ".instep"
"""The file that makes a directory ours; the first thing written into it, the last one removed."""

_log = logging.getLogger(__name__)


@contextmanager
def claim(root: Path) -> Iterator[Path]:
    """Yield a directory under `root` that nobody else works in until the block ends.

    Free directories beyond the one claimed are removed, so that disk use follows the number of
    those who work at once, now. What is not ours is left, and named in the log when it is in the
    way. OSError when the root cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True)
    descriptor, directory = _first_free(root)
    try:
        for other in root.iterdir():
            if other != directory and _is_ours(other):
                _remove_if_free(other)
        yield directory
    finally:
        os.close(descriptor)


def remove(directory: Path) -> None:
    """Remove a directory that is claimed; killed half-way it is still ours."""
    for path in directory.iterdir():
        if path.name != MARK:
            clear(path)
    (directory / MARK).unlink()
    directory.rmdir()


def clear(path: Path) -> None:
    """Make sure that nothing is at `path`: a link goes, what it points to stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _first_free(root: Path) -> tuple[int, Path]:
    number = 0
    while True:
        directory = root / str(number)
        with suppress(FileExistsError):  # a file or a link: not ours, as `_lock` finds
            directory.mkdir(exist_ok=True)
        descriptor = _lock(directory)
        if descriptor is not None and _mark(descriptor, directory):
            return descriptor, directory
        number += 1


def _lock(directory: Path) -> int | None:
    """Lock the directory itself; None when it is none, another's, or was removed meanwhile."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        if is_disks(error):  # the next directory would fare no better, and none would be the last
            raise
        _leave(directory)  # a file, a link, or a directory that we may not even read
        return None
    with ExitStack() as unlocking:
        unlocking.callback(os.close, descriptor)
        with suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if directory.stat().st_ino == os.fstat(descriptor).st_ino:
                unlocking.pop_all()
                return descriptor
    return None


def _mark(descriptor: int, directory: Path) -> bool:
    """Say whether the directory, which is locked, is ours; an empty one becomes so."""
    with ExitStack() as unlocking:
        unlocking.callback(os.close, descriptor)
        if not _is_ours(directory):
            if any(directory.iterdir()):
                _leave(directory)
                return False
            (directory / MARK).touch()
        unlocking.pop_all()
        return True


def _is_ours(directory: Path) -> bool:
    try:
        mark = (directory / MARK).lstat()
    except OSError:
        return False
    return stat.S_ISREG(mark.st_mode) and not directory.is_symlink()


def _remove_if_free(directory: Path) -> None:
    descriptor = _lock(directory)
    if descriptor is not None:
        try:
            remove(directory)
        except OSError as error:  # it costs room, and nobody's version
            _log.warning("%s is free and cannot be removed: %s", directory, error)
        finally:
            os.close(descriptor)


def _leave(directory: Path) -> None:
    _log.warning("%s is no copy of Instep's: it is left as it is", directory)
