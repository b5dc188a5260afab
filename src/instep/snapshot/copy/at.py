"""What `at` may say: a version's id, a tag, or a time; and the version that is meant.

A time means the version that was the head then. A version is only ever staged on the head of its
day, so what was stored first after that time tells it: its parent. When it was stored is in its id,
one step of the workflow before it was published.
"""

from datetime import UTC, datetime
from typing import Final

from instep.errors import VersionRejected
from instep.snapshot.copy.inventory import read_versions, version_files
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.copy.tags import find_tag, is_tag, read_tags
from instep.snapshot.format.document import DocumentDamaged
from instep.snapshot.format.manifest import Manifest, version_id

_NEAR: Final = 64  # versions looked at behind a time; of those never published there are few
_STORED: Final = "%Y%m%dT%H%M%S.%fZ"


def manifest_at(store: SnapshotStore, at: str) -> Manifest:
    """Return the manifest of the version that is meant; VersionRejected when there is none.

    A time is ISO 8601, such as 2026-11-25T10:00, in UTC unless it says otherwise. SnapshotCorrupt
    when what is needed to tell is damaged.
    """
    if is_tag(at):
        tag = find_tag(store, at)
        if tag is None:
            raise VersionRejected(store.collection, at, "there is no such tag")
        return tag.manifest
    try:
        return _by_id(store, version_id(at))
    except DocumentDamaged:
        return _by_id(store, _head_of(store, at))


def _by_id(store: SnapshotStore, version: str) -> Manifest:
    found = store.find_manifest(version)
    if found is not None:
        return found
    for tag in read_tags(store):
        if tag.version == version:
            return tag.manifest
    raise VersionRejected(store.collection, version, "there is no such version, or it was swept")


def _head_of(store: SnapshotStore, at: str) -> str:
    """Return the version that was the head at a time."""
    moment = _moment(store, at)
    head = store.head()  # before the listing, which then shows it
    if head is None:
        raise VersionRejected(store.collection, at, "there is no version yet")
    if _stored(head.version) <= moment:
        return head.version
    later = [file for file in version_files(store) if _stored(file.version) > moment][-_NEAR:]
    parents = [
        found.parent for _, found in read_versions(store, later) if isinstance(found, Manifest)
    ]
    then = [one for one in parents if one is not None and _stored(one) <= moment]
    if not then:
        raise VersionRejected(store.collection, at, "what was the head then was swept, or nothing")
    return max(then)


def _moment(store: SnapshotStore, at: str) -> datetime:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as error:
        why = "it is no version's id, no tag and no time such as 2026-11-25T10:00"
        raise VersionRejected(store.collection, at[:80], why) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _stored(version: str) -> datetime:
    return datetime.strptime(version.partition("-")[0], _STORED).replace(tzinfo=UTC)
