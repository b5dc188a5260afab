"""Intake of embedding deltas: from S3 into a private directory, treated as hostile.

The rules are docs/domain.md's, A delta. Only the few files that hold records are ever written to
disk, under names that were checked; what is refused is refused before it is read: foreign buckets,
traversal, links, devices, bombs. `foreign` then reads the records, without chromadb and without
unpickling anything but plain data.
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from instep.errors import DeltaRejected
from instep.objects import ObjectMissing, Objects, ObjectTooLarge
from receipt_chroma.compaction.foreign import HELD_IN, INDEX_FILES, Record, read_records

if TYPE_CHECKING:
    from instep.objects import Listed

ARCHIVE: Final = "delta.tar.gz"
_GZIP: Final = b"\x1f\x8b"


@dataclass(frozen=True)
class Limits:
    """What one delta may cost: bytes as stored and unpacked, files, and unpacked by stored."""

    stored: int = 256 * 1024 * 1024
    unpacked: int = 1024 * 1024 * 1024
    members: int = 1000
    ratio: int = 200


@dataclass(frozen=True)
class DeltaSource:
    """Where deltas may lie: the pipeline's own bucket, and other buckets by name."""

    own: Objects
    allowed: Collection[str] = ()
    limits: Limits = Limits()

    def fetch(self, prefix: str, collection: str, scratch: Path) -> dict[str, Record]:
        """Return the records of `collection` in the delta at `prefix`, by id; DeltaRejected.

        `prefix` is a key prefix in the own bucket, or s3://bucket/prefix. `scratch` stays empty.
        """
        objects, folder = self._locate(prefix)
        listing = self._listing(objects, folder)
        where = f"s3://{objects.bucket}/{folder}"
        with TemporaryDirectory(dir=scratch, prefix="delta-") as name:
            directory = Path(name)
            if ARCHIVE in listing:
                body = self._body(objects, listing[ARCHIVE].key)
                _unpack(body, directory, self.limits, where)
            else:
                self._copy(objects, listing, directory)
            return read_records(directory, collection)

    def _locate(self, prefix: str) -> tuple[Objects, str]:
        objects, key = self.own, prefix
        if prefix.startswith("s3://"):
            bucket, _, key = prefix.removeprefix("s3://").partition("/")
            if bucket != self.own.bucket:
                if bucket not in self.allowed:
                    raise DeltaRejected(
                        f"{prefix}: bucket {bucket} is not allowed; name it in DELTA_BUCKETS"
                    )
                objects = Objects(self.own.client, bucket)
        folder = key.removesuffix(ARCHIVE).strip("/")
        if not folder:
            raise DeltaRejected(f"{prefix!r}: a delta needs a prefix of its own")
        return objects, f"{folder}/"

    def _listing(self, objects: Objects, folder: str) -> dict[str, "Listed"]:
        """List what lies in the folder by its name there, refusing what no Chroma directory has."""
        listing: dict[str, Listed] = {}
        stored = 0
        for entry in objects.list(folder):
            name = entry.key.removeprefix(folder)
            if not name or name.endswith("/"):
                continue
            if name != ARCHIVE:
                _check_name(name, folder)
            listing[name] = entry
            stored += entry.size
            if len(listing) > self.limits.members or stored > self.limits.unpacked:
                raise DeltaRejected(
                    f"s3://{objects.bucket}/{folder}: more than {self.limits.members} files or "
                    f"{self.limits.unpacked} bytes"
                )
        if not listing:
            raise DeltaRejected(
                f"nothing lies under s3://{objects.bucket}/{folder} (deltas expire after 7 days); "
                f"compute the embeddings again"
            )
        return listing

    def _copy(self, objects: Objects, listing: Mapping[str, "Listed"], directory: Path) -> None:
        for name, entry in listing.items():
            if _is_held(PurePosixPath(name)):
                target = directory / name
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(self._body(objects, entry.key))

    def _body(self, objects: Objects, key: str) -> bytes:
        try:
            return objects.get(key, self.limits.stored).body
        except (ObjectMissing, ObjectTooLarge) as error:
            raise DeltaRejected(str(error)) from error


def _unpack(body: bytes, directory: Path, limits: Limits, where: str) -> None:
    """Write the archive's record files under `directory`, refusing what would lead out of it."""
    allowed = min(limits.unpacked, max(len(body), 64 * 1024) * limits.ratio)
    try:
        with tarfile.open(fileobj=_Bounded(_opened(body), allowed), mode="r|") as archive:
            for count, member in enumerate(archive, 1):
                if count > limits.members:
                    raise DeltaRejected(f"{where}: more than {limits.members} members")
                _check_member(member, where)
                path = PurePosixPath(member.name)
                source = archive.extractfile(member) if _is_held(path) else None
                if source is not None:
                    _write(source, directory / path)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DeltaRejected(f"{where}{ARCHIVE}: unreadable, {error}") from error


def _opened(body: bytes) -> io.BufferedIOBase:
    """Open a gzip body, one stored gzipped once more (Content-Encoding), or a bare tar."""
    stream: io.BufferedIOBase = io.BytesIO(body)
    for _ in range(2):
        start = stream.read(2)
        stream.seek(0)
        if start != _GZIP:
            break
        stream = gzip.GzipFile(fileobj=stream, mode="rb")
    return stream


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than `allowed` bytes: an archive bomb ends here."""

    def __init__(self, stream: io.BufferedIOBase, allowed: int) -> None:
        super().__init__()
        self._stream, self._allowed, self._left = stream, allowed, allowed

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes; DeltaRejected past the limit."""
        data = self._stream.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise DeltaRejected(f"the archive unpacks to more than {self._allowed} bytes")
        return data


def _check_member(member: tarfile.TarInfo, where: str) -> None:
    if member.isdir() or (member.isreg() and not member.issparse()):
        if PurePosixPath(member.name) != PurePosixPath():
            _check_name(member.name, where)
        return
    raise DeltaRejected(f"{where}: member {member.name!r} is a link, a device or sparse")


def _check_name(name: str, where: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise DeltaRejected(f"{where}: {name!r} leads out of the delta")


def _is_held(path: PurePosixPath) -> bool:
    return str(path) in HELD_IN or (len(path.parts) == 2 and path.name in INDEX_FILES)


def _write(source: Iterator[bytes], target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    with target.open("xb") as file:
        file.writelines(source)
