"""Which version a reader wants, and what it is told when a sweep was faster than its fetch."""

from collections.abc import Iterator
from contextlib import contextmanager

from instep.errors import ConfigurationMissing, SnapshotCorrupt, VersionRejected
from instep.snapshot.copy.inventory import refuse_lost_head
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.freshness import Freshness
from instep.snapshot.format.head import Head
from instep.snapshot.format.manifest import Manifest


def wanted(store: SnapshotStore, at: str | None) -> tuple[Manifest, Freshness]:
    """Return the version `at`, or else the head, and how fresh it is.

    VersionRejected when there is no such version, ConfigurationMissing when there is none at all.
    """
    if at is not None:
        manifest = store.asked_for(at)
        return manifest, manifest.freshness
    head = the_head(store)
    if head is None:
        raise ConfigurationMissing(
            f"{store.collection} has no version yet in {store.objects.bucket}: run the workflow"
        )
    return of_head(store, head), head.freshness


def the_head(store: SnapshotStore) -> Head | None:
    """Return HEAD, None before the first version; SnapshotCorrupt when it was there and is gone."""
    head = store.head()
    if head is None:
        refuse_lost_head(store)
    return head


def of_head(store: SnapshotStore, head: Head) -> Manifest:
    """Return what HEAD named when it was read; as `unless_swept`."""
    with unless_swept(store, head.version):
        return store.manifest(head.version)


@contextmanager
def unless_swept(store: SnapshotStore, version: str) -> Iterator[None]:
    """Raise VersionRejected where SnapshotCorrupt would say that a version's objects are missing,
    when a sweep has taken it since its reader began: nothing is wrong, and there is a newer one.
    """
    try:
        yield
    except SnapshotCorrupt as error:
        if not _was_swept(store, version):
            raise
        why = "a sweep took it while it was being fetched: try again for a newer one"
        raise VersionRejected(store.collection, version, why) from error


def _was_swept(store: SnapshotStore, version: str) -> bool:
    head = store.head()
    return head is not None and head.version != version and store.find_manifest(version) is None
