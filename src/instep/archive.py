"""Unpack a tar archive from outside, treated as hostile: only wanted files, only where they belong.

What is refused is refused before it is written: names that lead out, links, devices, sparse files,
more members, bytes or compression than the limits allow. A local disk that is full, or fails, is no
fault of the archive's.
"""

import errno
import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, Self

from instep.disk import on_disk

_GZIP: Final = b"\x1f\x8b"
_SMALL: Final = 64 * 1024  # an archive below it may unpack by any ratio of this
_LONGEST_HEADER: Final = 64 * 1024  # bytes; tarfile reads one word by word, and into memory
_OF_A_NAME: Final = frozenset(
    {errno.EEXIST, errno.EINVAL, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR}
)


class ArchiveRejected(ValueError):
    """The archive is hostile, beyond its limits or unreadable; the message says which."""


@dataclass(frozen=True)
class Limits:
    """What an archive may cost: bytes as stored and unpacked, files, and unpacked by stored."""

    stored: int
    unpacked: int
    members: int
    ratio: int = 200

    def unpacked_of(self, stored: int) -> int:
        """Return how many bytes an archive of so many may unpack to."""
        return min(self.unpacked, max(stored, _SMALL) * self.ratio)


def unpack(
    source: BinaryIO, directory: Path, limits: Limits, wanted: Callable[[PurePosixPath], bool]
) -> None:
    """Write the wanted regular files of a tar, gzipped or not, under `directory`.

    `source` is seekable. Members are judged in their order; ArchiveRejected at the first bad one,
    StorageUnavailable when the local disk fails.
    """
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    with on_disk("unpack an archive"), _reading():
        bounded = _Bounded(_opened(source), limits.unpacked_of(size))
        with tarfile.open(fileobj=bounded, mode="r|", tarinfo=_Member) as archive:
            for count, member in enumerate(archive, 1):
                if count > limits.members:
                    raise ArchiveRejected(f"more than {limits.members} members")
                _check_member(member, limits.unpacked)
                path = PurePosixPath(member.name)
                content = archive.extractfile(member) if wanted(path) else None
                if content is not None:
                    with writing():
                        _write(content, directory / path)


@contextmanager
def writing() -> Iterator[None]:
    """Write a file from outside; ArchiveRejected for its name, all else goes up as it is."""
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_A_NAME:
            raise
        raise ArchiveRejected(f"unreadable, {error}") from error


@contextmanager
def _reading() -> Iterator[None]:
    """Read an archive; ArchiveRejected when it is none, all that the system refuses goes up."""
    try:
        yield
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:  # gzip's own has none
            raise
        raise ArchiveRejected(f"unreadable, {error}") from error


def check_name(name: str) -> None:
    """Raise ArchiveRejected for a name that leads out of its directory."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise ArchiveRejected(f"{name!r} leads out of its directory")


def _opened(stream: BinaryIO) -> BinaryIO:
    """Open a gzip body, one stored gzipped once more (Content-Encoding), or a bare tar."""
    for _ in range(2):
        start = stream.read(2)
        stream.seek(0)
        if start != _GZIP:
            break
        stream = gzip.GzipFile(fileobj=stream, mode="rb")  # type: ignore[assignment]
    return stream


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than `allowed` bytes: an archive bomb ends here."""

    def __init__(self, stream: BinaryIO, allowed: int) -> None:
        super().__init__()
        self._stream, self._allowed, self._left = stream, allowed, allowed

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes; ArchiveRejected past the limit."""
        data = self._stream.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise ArchiveRejected(f"it unpacks to more than {self._allowed} bytes")
        return data


class _Member(tarfile.TarInfo):
    """A member whose long name or attributes, which lie before it, are no longer than they may."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read a header; ArchiveRejected when what it announces is beyond all names."""
        header = super().frombuf(buf, encoding, errors)
        if header.size > _LONGEST_HEADER and header.type not in tarfile.REGULAR_TYPES:
            raise ArchiveRejected(f"a header of {header.size} bytes, {_LONGEST_HEADER} are read")
        return header


def _check_member(member: tarfile.TarInfo, most: int) -> None:
    if not 0 <= member.size <= most:  # tarfile would look for its end for ever
        raise ArchiveRejected(f"it unpacks to more than {most} bytes")
    if member.isdir() or (member.isreg() and not member.issparse()):
        if PurePosixPath(member.name) != PurePosixPath():
            check_name(member.name)
        return
    raise ArchiveRejected(f"member {member.name!r} is a link, a device or sparse")


def _write(content: Iterator[bytes], target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    with target.open("xb") as file:
        file.writelines(content)
