"""Where a reader's versions come from, and what it is told when a sweep was faster than its fetch.

Two kinds: a store on S3, whose head moves, and a directory that `pull` wrote (pulled.py).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from instep.errors import ConfigurationMissing, SnapshotCorrupt, VersionRejected
from instep.snapshot.copy.at import manifest_at
from instep.snapshot.copy.fetch import Fetches
from instep.snapshot.copy.inventory import find_head
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.freshness import Freshness
from instep.snapshot.format.head import Head
from instep.snapshot.format.manifest import Manifest


class Versions(Fetches, Protocol):
    """The versions of one collection, as a reader asks for them."""

    @property
    def collection(self) -> str:
        """The collection's name."""

    def wanted(self, at: str | None) -> tuple[Manifest, Freshness]:
        """Return the version that `at` means (`instep.snapshot.copy.at`), or else the head, and how
        fresh it is.

        VersionRejected when there is no such version, ConfigurationMissing when there is none.
        """

    def newer(self, than: str) -> tuple[Manifest, Freshness] | None:
        """Return the head and how fresh it is, None when it is the version `than`."""

    def lineage(self, most: int) -> list[Manifest]:
        """Return the head and what was the head before it, newest first, `most` in all."""

    def unless_swept(self, version: str) -> AbstractContextManager[None]:
        """Raise VersionRejected where SnapshotCorrupt would say that objects are missing, when a
        sweep has taken the version since its reader began: nothing is wrong, there is a newer one.
        """


class StoredVersions:
    """The versions of a store on S3; see `Versions`."""

    def __init__(self, store: SnapshotStore) -> None:
        self._store = store
        self.collection = store.collection
        self.fetch = store.fetch

    def wanted(self, at: str | None) -> tuple[Manifest, Freshness]:
        """Return the version `at`, or else the head; SnapshotCorrupt when HEAD was and is gone."""
        if at is not None:
            manifest = manifest_at(self._store, at)
            return manifest, manifest.freshness
        head = find_head(self._store)
        if head is None:
            where = self._store.objects.where(self._store.head_key)
            raise ConfigurationMissing(
                f"{self.collection} has no version yet, nothing lies at {where}: run the "
                f"workflow, or name another location"
            )
        return self._of(head)

    def newer(self, than: str) -> tuple[Manifest, Freshness] | None:
        """Return the head if it moved; SnapshotCorrupt when HEAD was there and is gone."""
        head = find_head(self._store)
        return None if head is None or head.version == than else self._of(head)

    def lineage(self, most: int) -> list[Manifest]:
        """Return the head and its ancestors, one request each, as far as none was swept."""
        head = find_head(self._store)
        older, found = head.version if head else None, list[Manifest]()
        while older is not None and len(found) < most:
            manifest = self._store.find_manifest(older)
            if manifest is None:
                break
            found.append(manifest)
            older = manifest.parent
        return found

    @contextmanager
    def unless_swept(self, version: str) -> Iterator[None]:
        """Tell a version that was swept from one that is damaged."""
        try:
            yield
        except SnapshotCorrupt as error:
            if not self._was_swept(version):
                raise
            why = "a sweep took it while it was being fetched: try again for a newer one"
            raise VersionRejected(self.collection, version, why) from error

    def _of(self, head: Head) -> tuple[Manifest, Freshness]:
        """Return what HEAD named when it was read."""
        with self.unless_swept(head.version):
            return self._store.manifest(head.version), head.freshness

    def _was_swept(self, version: str) -> bool:
        head = self._store.head()
        if head is None or head.version == version:
            return False
        return self._store.find_manifest(version) is None
