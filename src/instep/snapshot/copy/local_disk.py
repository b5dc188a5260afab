"""A disk that refuses is the trouble of this machine, and told so: nothing is wrong in S3."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from instep.disk import is_disks
from instep.errors import ConfigurationMissing

_REFUSALS: Final = frozenset(
    {  # by a place that is no place for a copy
        errno.EACCES,
        errno.EEXIST,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOTDIR,
        errno.EPERM,
    }
)
_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})


@contextmanager
def local_disk(directory: Path) -> Iterator[None]:
    """Raise ConfigurationMissing where the file system refuses to keep a copy in `directory`."""
    try:
        yield
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if number not in _REFUSALS and not is_disks(error):
            raise
        cure = "let it be written and give it room, or name another `directory`"
        if number in _DESCRIPTORS:
            cure = "let this process open more files, or fewer"
        raise ConfigurationMissing(
            f"{directory} cannot keep a copy here ({error}): {cure}; what lies in S3 is as it was"
        ) from error
