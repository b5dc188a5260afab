"""Intake of embedding deltas: from S3 into a private directory, treated as hostile.

The rules are docs/domain.md's, A delta. Only the few files that hold records are ever written to
disk, under names that were checked; what is refused is refused before it is read: foreign buckets,
traversal, links, devices, bombs (`instep.archive`). `foreign` then reads the records, without
chromadb and without unpickling anything but plain data.
"""

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from instep.archive import ArchiveRejected, Limits, check_name, unpack
from instep.errors import DeltaRejected
from instep.objects import ObjectMissing, Objects, ObjectTooLarge
from receipt_chroma.compaction.foreign import HELD_IN, INDEX_FILES, Record, read_records

if TYPE_CHECKING:
    from instep.objects import Listed

ARCHIVE: Final = "delta.tar.gz"
LIMITS: Final = Limits(stored=256 << 20, unpacked=1 << 30, members=1000)


@dataclass(frozen=True)
class DeltaSource:
    """Where deltas may lie: the pipeline's own bucket, and other buckets by name."""

    own: Objects
    allowed: Collection[str] = ()
    limits: Limits = LIMITS

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
                try:
                    unpack(io.BytesIO(body), directory, self.limits, _is_held)
                except ArchiveRejected as error:
                    raise DeltaRejected(f"{where}{ARCHIVE}: {error}") from error
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
                try:
                    check_name(name)
                except ArchiveRejected as error:
                    raise DeltaRejected(f"{folder}: {error}") from error
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


def _is_held(path: PurePosixPath) -> bool:
    return str(path) in HELD_IN or (len(path.parts) == 2 and path.name in INDEX_FILES)
