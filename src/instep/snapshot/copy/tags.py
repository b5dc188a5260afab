"""A tag: a version under a name of its own, which no sweep takes until the name is deleted.

COLLECTION/tags/NAME holds the version's manifest, so a tag leans on no other file of the store but
packs, and those a sweep leaves that any tag names.
"""

import re
from dataclasses import dataclass
from typing import Final

from instep.aws.objects import ObjectTooLarge
from instep.errors import SnapshotCorrupt, VersionRejected
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format import document
from instep.snapshot.format.document import DocumentDamaged
from instep.snapshot.format.manifest import MAX_MANIFEST_BYTES, Manifest, parse, require

_KIND: Final = "tag"
_MOST_BYTES: Final = 2 * MAX_MANIFEST_BYTES
# Never a version's id and never a time: those begin with a digit.
_NAME: Final = re.compile(r"[a-z][a-z0-9._-]{0,62}")


@dataclass(frozen=True)
class Tag:
    """A name of a version; `by` whom and when (ISO 8601 in UTC) it was given."""

    name: str
    manifest: Manifest
    by: str
    tagged_at: str

    @property
    def version(self) -> str:
        """The version that is named."""
        return self.manifest.version

    def to_bytes(self) -> bytes:
        """Return the tag's file."""
        manifest = self.manifest.to_bytes().decode()
        return document.write(_KIND, {"manifest": manifest, "by": self.by, "at": self.tagged_at})


def is_tag(name: str) -> bool:
    """Say whether a name may be a tag's."""
    return _NAME.fullmatch(name) is not None


def tag_key(store: SnapshotStore, name: str) -> str:
    """Return the key of a tag; VersionRejected for what is no tag's name."""
    if not is_tag(name):
        why = "it is no tag's name: a-z first, then also 0-9, '.', '_' and '-', 63 in all at most"
        raise VersionRejected(store.collection, name[:80], why)
    return f"{store.collection}/tags/{name}"


def find_tag(store: SnapshotStore, name: str) -> Tag | None:
    """Return a tag, None when there is none; SnapshotCorrupt when it is damaged."""
    key = tag_key(store, name)
    try:
        fetched = store.objects.find(key, limit=_MOST_BYTES)
        return None if fetched is None else _read(store, name, fetched.body)
    except (ObjectTooLarge, *document.MISREAD) as error:
        cure = f"delete it with `instep tag {store.collection} --delete {name}`"
        raise SnapshotCorrupt(store.collection, f"tag {key}: {error}", cure) from error


def read_tags(store: SnapshotStore) -> list[Tag]:
    """Return all tags by their names; what else lies there is left alone. As `find_tag`."""
    keys = [listed.key for listed in store.objects.list(f"{store.collection}/tags/")]
    names = [key.rpartition("/")[2] for key in keys]
    found = [find_tag(store, name) for name in names if is_tag(name)]
    return [tag for tag in found if tag is not None]


def is_tagged(store: SnapshotStore, version: str, but: str | None = None) -> bool:
    """Say whether any tag names a version, that called `but` left out."""
    return any(one.version == version and one.name != but for one in read_tags(store))


def _read(store: SnapshotStore, name: str, body: bytes) -> Tag:
    content = document.read(_KIND, body)
    try:
        manifest = parse(content["manifest"].encode())
    except DocumentDamaged as error:
        raise DocumentDamaged(f"its manifest: {error}") from error
    require(manifest.collection == store.collection, f"it is that of {manifest.collection}")
    return Tag(name, manifest, str(content["by"]), str(content["at"]))
