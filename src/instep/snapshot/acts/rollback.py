"""Go back to what an older version held, by lock phase 2 alone: no lease is waited for.

The way back is forward: a new version on the head, whose files are the old one's, so that the
versions stay one chain and HEAD never repeats its bytes. A compaction that runs meanwhile gets
SnapshotConflict and applies again on the new head. What the table has said since then is not in
the content: a sync brings it, or a change of each item.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from instep.errors import ConfigurationMissing, SnapshotConflict, SnapshotCorrupt, VersionRejected
from instep.snapshot.acts.publish import Staged, publish_unleased
from instep.snapshot.acts.staging import Origin, put_version
from instep.snapshot.copy.at import manifest_at
from instep.snapshot.copy.inventory import missing_packs, was_published
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.copy.tags import is_tagged
from instep.snapshot.format.head import Head
from instep.snapshot.format.manifest import Manifest

_TRIES: Final = 5  # a publish in between costs one; the window is a few requests wide


@dataclass(frozen=True)
class RolledBack:
    """The new head `version` holds what `to` held; `replaced` was the head before it."""

    version: str
    to: str
    replaced: str
    held_ms: float


def rollback(store: SnapshotStore, version: str, writer: str) -> RolledBack:
    """Publish the content of `version` as a new version; `writer` is who did it, for history.

    `version` is what `instep.snapshot.copy.at` knows. VersionRejected: it is the head, was never
    the head, is gone or misses packs. SnapshotConflict: the head moved at every try.
    StorageUnavailable: unknown; `instep history` shows who is head.
    """
    for _ in range(_TRIES - 1):
        with suppress(SnapshotConflict):
            return _try(store, version, writer)
    return _try(store, version, writer)


def _try(store: SnapshotStore, at: str, writer: str) -> RolledBack:
    head = _require_head(store)
    old = _find(store, at)
    if head.version == old.version:
        raise VersionRejected(store.collection, old.version, "it is the head already")
    published = publish_unleased(store, _stage(store, head, old, writer))
    return RolledBack(published.version, old.version, head.version, published.held_ms)


def _require_head(store: SnapshotStore) -> Head:
    head = store.head()
    if head is None:
        raise ConfigurationMissing(f"{store.collection} has no version yet: nothing to go back to")
    return head


def _stage(store: SnapshotStore, head: Head, old: Manifest, writer: str) -> Staged:
    known = is_tagged(store, old.version) or was_published(store, old.version)
    if not known and _is_readable(store, head.version):
        raise VersionRejected(store.collection, old.version, "it was never the head")
    note: dict[str, Any] = {"rollback_to": old.version}
    origin = Origin(writer, head.fencing_token, old.watermark, note, head, made_by=old.made_by)
    staged = put_version(
        store, store.new_version(), origin, old.facts, old.files, store.objects.traffic.up
    )
    # Only now: a sweep that deletes the old version after this look finds the new one.
    _require_whole(store, _find(store, old.version))
    return staged


def _find(store: SnapshotStore, version: str) -> Manifest:
    try:
        return manifest_at(store, version)
    except SnapshotCorrupt as error:
        raise VersionRejected(store.collection, version, error.what) from error


def _is_readable(store: SnapshotStore, version: str) -> bool:
    """Say whether ancestry can be judged: a damaged head cannot tell what it was made from."""
    try:
        return store.find_manifest(version) is not None
    except SnapshotCorrupt:
        return False


def _require_whole(store: SnapshotStore, old: Manifest) -> None:
    missing = missing_packs(store, old)
    if missing:
        raise VersionRejected(
            store.collection,
            old.version,
            f"{len(missing)} of its packs are missing or cut off, so {min(missing)}",
        )
