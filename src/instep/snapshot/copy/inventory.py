"""Every version of a collection that lies in S3, read a bounded number at a time.

What was the head once is told without HEAD: a version is only ever staged on the head of its day,
so whatever another version calls its parent was published.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from instep.batched import batched
from instep.errors import SnapshotCorrupt, SnapshotUnsupported
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.document import DocumentDamaged
from instep.snapshot.format.head import Head, unusable_head
from instep.snapshot.format.manifest import Manifest, version_id

_THREADS: Final = 8
_AT_ONCE: Final = 64  # manifests held in memory

Unreadable: TypeAlias = SnapshotCorrupt | SnapshotUnsupported


@dataclass(frozen=True)
class VersionFile:
    """A version file as S3 lists it; `written` (UTC) is by S3's clock."""

    version: str
    written: datetime
    size: int


def version_files(store: SnapshotStore) -> list[VersionFile]:
    """List the version files, newest first; what else lies there is left alone."""
    found = []
    for entry in store.versions():
        name = entry.key.rpartition("/")[2].removesuffix(".json")
        try:
            found.append(VersionFile(version_id(name), entry.modified, entry.size))
        except DocumentDamaged:
            continue
    return sorted(found, key=lambda file: file.version, reverse=True)


def read_versions(
    store: SnapshotStore, files: Iterable[VersionFile]
) -> Iterator[tuple[VersionFile, Manifest | Unreadable]]:
    """Yield the files with what they hold, in their order, or with why one cannot be read.

    A file that was swept since it was listed is left out.
    """

    def read(file: VersionFile) -> Manifest | Unreadable | None:
        try:
            return store.find_manifest(file.version)
        except (SnapshotCorrupt, SnapshotUnsupported) as error:
            return error

    with ThreadPoolExecutor(_THREADS) as pool:
        for chunk in batched(list(files), _AT_ONCE):
            # All of a chunk before any: how many calls are made does not hang on who reads how far.
            for file, found in zip(chunk, list(pool.map(read, chunk)), strict=True):
                if found is not None:
                    yield file, found


def was_published(store: SnapshotStore, version: str) -> bool:
    """Say whether the version is, or once was, the head; reads the newest versions first."""
    head = store.head()
    if head is not None and head.version == version:
        return True
    return any(
        isinstance(found, Manifest) and found.parent == version
        for _, found in read_versions(store, version_files(store))
    )


def find_head(store: SnapshotStore) -> Head | None:
    """Return HEAD, None before the first version; SnapshotCorrupt when it is damaged, or lost."""
    head = store.head()
    if head is None:
        refuse_lost_head(store)
    return head


def refuse_lost_head(store: SnapshotStore) -> None:
    """Raise SnapshotCorrupt if HEAD, which is not there, once was: nobody may start anew then.

    A version that was staged and never published is no sign of it: it has no parent.
    """
    for newest in version_files(store)[:1]:
        found = store.find_manifest(newest.version)
        has_parent = found is not None and found.parent is not None
        if has_parent or store.objects.was_deleted(store.head_key):
            what = f"{store.head_key} is missing, though it was there"
            raise unusable_head(store.objects, store.head_name, what)


def missing_packs(store: SnapshotStore, manifest: Manifest) -> set[str]:
    """Return the names of packs the manifest needs that are not in S3 in their right size.

    Lists the packs and reads none: that they hold the right bytes is `SnapshotStore.materialise`'s.
    """
    there = {entry.key.rpartition("/")[2]: entry.size for entry in store.all_packs()}
    needed = manifest.pack_refs()
    return {name for name, pack in needed.items() if there.get(name) != pack.bytes}
