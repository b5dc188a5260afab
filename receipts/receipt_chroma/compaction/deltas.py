"""Intake of embedding deltas: from S3 into a private directory, treated as hostile.

The rules are docs/domain.md's, A delta. Only the few files that hold records are ever written to
disk, under names that were checked; what is refused is refused before it is read: foreign buckets,
traversal, links, devices, bombs (`instep.archive`). `foreign` then reads the records, without
chromadb and without unpickling anything but plain data.
"""

import io
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from instep.archive import ArchiveRejected, Limits, check_name, unpack, writing
from instep.aws.objects import ObjectMissing, Objects, ObjectTooLarge
from instep.chroma.foreign.records import HELD_IN, INDEX_FILES, Contents, judging, read_records
from instep.disk import on_disk
from instep.errors import DeltaRejected
from instep.scratch import scratch_folder

if TYPE_CHECKING:
    from instep.aws.objects import Listed

ARCHIVE: Final = "delta.tar.gz"
LIMITS: Final = Limits(stored=256 << 20, unpacked=1 << 30, members=1000)
_LONGEST_KEY: Final = 1024  # bytes


@dataclass(frozen=True)
class Found:
    """A delta that lies in S3: its objects by their names in it, and the bytes it may unpack to."""

    objects: Objects
    folder: str
    files: "Mapping[str, Listed]"
    unpacked: int

    @property
    def stored(self) -> int:
        """The bytes that are read of it in S3."""
        archive = self.files.get(ARCHIVE)
        return archive.size if archive else sum(entry.size for entry in self.files.values())

    @property
    def where(self) -> str:
        """Its place, for a message."""
        return f"s3://{self.objects.bucket}/{self.folder}"


@dataclass(frozen=True)
class DeltaSource:
    """Where deltas may lie: the pipeline's own bucket, and other buckets by name."""

    own: Objects
    allowed: Collection[str] = ()
    limits: Limits = LIMITS

    def find(self, prefix: str) -> Found:
        """Return what lies at `prefix`, a key prefix in the own bucket or s3://bucket/prefix.

        It is looked for where the prefix says, to the letter; only then without the slashes that
        a prefix may have too many of. DeltaRejected when nothing is there.
        """
        objects, key = self._locate(prefix)
        folders = _folders(key)
        if not folders:
            raise DeltaRejected(f"{prefix!r}: a delta needs a prefix of its own")
        for folder in folders:
            if files := self._files(objects, folder):
                stored = sum(entry.size for entry in files.values())
                if ARCHIVE in files:
                    stored = self.limits.unpacked_of(files[ARCHIVE].size)
                return Found(objects, folder, files, stored)
        places = " nor under ".join(f"s3://{objects.bucket}/{folder}" for folder in folders)
        raise DeltaRejected(
            f"nothing lies under {places} (deltas expire after 7 days); compute the embeddings "
            f"again"
        )

    def read(self, found: Found, collection: str, scratch: Path) -> Contents:
        """Return the records of `collection` in a delta, by id; `scratch` stays empty.

        DeltaRejected says what is wrong with it as a whole; StorageUnavailable, that S3 or the
        local disk failed.
        """
        with (
            on_disk(f"read the delta {found.where}"),
            judging(),
            scratch_folder(scratch, "delta") as directory,
        ):
            try:
                if ARCHIVE in found.files:
                    body = io.BytesIO(self._body(found.objects, found.files[ARCHIVE].key))
                    unpack(body, directory, self.limits, _is_held)
                else:
                    self._copy(found, directory)
            except ArchiveRejected as error:
                raise DeltaRejected(f"{found.where}: {error}") from error
            return read_records(directory, collection, found.stored)

    def _locate(self, prefix: str) -> tuple[Objects, str]:
        if not prefix.startswith("s3://"):
            return self.own, prefix
        bucket, _, key = prefix.removeprefix("s3://").partition("/")
        if bucket == self.own.bucket:
            return self.own, key
        if bucket not in self.allowed:
            raise DeltaRejected(
                f"{prefix}: bucket {bucket} is not allowed; name it in DELTA_BUCKETS"
            )
        return Objects(self.own.client, bucket), key

    def _files(self, objects: Objects, folder: str) -> "dict[str, Listed]":
        """List what lies in the folder by its name there, refusing what no Chroma directory has.

        A slash too many in a key means nothing; of two keys for one name the shorter counts.
        """
        files: dict[str, Listed] = {}
        stored = 0
        with self._may_read(objects, folder):
            for entry in objects.list(folder):
                name = "/".join(part for part in entry.key[len(folder) :].split("/") if part)
                if not name or entry.key.endswith("/"):
                    continue
                try:
                    check_name(name)
                except ArchiveRejected as error:
                    raise DeltaRejected(f"{folder}: {error}") from error
                if name not in files or len(entry.key) < len(files[name].key):
                    files[name] = entry
                stored += entry.size
                if len(files) > self.limits.members or stored > self.limits.unpacked:
                    raise DeltaRejected(
                        f"s3://{objects.bucket}/{folder}: more than {self.limits.members} files "
                        f"or {self.limits.unpacked} bytes"
                    )
        return files

    def _copy(self, found: Found, directory: Path) -> None:
        for name, entry in found.files.items():
            if _is_held(PurePosixPath(name)):
                target = directory / name
                body = self._body(found.objects, entry.key)
                with writing():
                    target.parent.mkdir(exist_ok=True)
                    target.write_bytes(body)

    def _body(self, objects: Objects, key: str) -> bytes:
        try:
            with self._may_read(objects, key):
                return objects.get(key, self.limits.stored).body
        except (ObjectMissing, ObjectTooLarge) as error:
            raise DeltaRejected(str(error)) from error

    @contextmanager
    def _may_read(self, objects: Objects, key: str) -> Iterator[None]:
        """Read another bucket; what it denies is one delta's fault, while our own is a fault."""
        try:
            yield
        except ClientError as error:
            if objects.bucket == self.own.bucket:
                raise
            raise DeltaRejected(f"s3://{objects.bucket}/{key}: {error}") from error


def _folders(key: str) -> list[str]:
    """Return where a delta of this prefix may lie, best first; nowhere without a name of its own.

    The prefix may name the archive itself.
    """
    if key == ARCHIVE or key.endswith(f"/{ARCHIVE}"):
        key = key.removesuffix(ARCHIVE)
    plain = key.strip("/")
    if not plain:
        return []
    if len(key.encode()) >= _LONGEST_KEY:
        raise DeltaRejected(f"{key!r:.80}...: a prefix longer than any key of S3")
    exact = key if key.endswith("/") else f"{key}/"
    return list(dict.fromkeys([exact, f"{plain}/"]))


def _is_held(path: PurePosixPath) -> bool:
    return str(path) in HELD_IN or (len(path.parts) == 2 and path.name in INDEX_FILES)
