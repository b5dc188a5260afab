"""A disk that refuses is the trouble of this machine, and told so: nothing is wrong in S3."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from instep.errors import ConfigurationMissing

_REFUSALS: Final = frozenset(
    {
        errno.EACCES,
        errno.EDQUOT,
        errno.EEXIST,
        errno.EIO,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOSPC,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)


@contextmanager
def local_disk(directory: Path) -> Iterator[None]:
    """Raise ConfigurationMissing where the file system refuses to keep a copy in `directory`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        raise ConfigurationMissing(
            f"{directory} cannot keep a copy here ({error}): let it be written and give it room, "
            f"or name another `directory`; what lies in S3 is as it was"
        ) from error
