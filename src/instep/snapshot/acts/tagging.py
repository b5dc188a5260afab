"""Give a version a name that keeps it, and take the name away again.

Safe beside a sweep (docs/adr/0010), as a rollback is: the tag is written first, and then it looks
whether the version is still there. A sweep deletes versions first, then reads the tags, and then
says which packs nobody names.
"""

from instep.aws.objects import Lost
from instep.errors import VersionRejected
from instep.snapshot.copy.at import manifest_at
from instep.snapshot.copy.inventory import was_published
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.copy.tags import Tag, find_tag, is_tagged, tag_key


def tag(store: SnapshotStore, at: str, name: str, by: str) -> Tag:
    """Name the version that `at` means; the same name for the same version again is no error.

    VersionRejected: there is no such version, it was never the head, it is being swept, or the name
    is another one's, or none.
    """
    key = tag_key(store, name)
    manifest = manifest_at(store, at)
    version = manifest.version
    if not is_tagged(store, version) and not was_published(store, version):
        raise VersionRejected(store.collection, version, "it was never the head")
    made = Tag(name, manifest, by, store.clock().isoformat())
    if isinstance(store.objects.create(key, made.to_bytes()), Lost):
        return _there(store, name, version)
    if store.find_manifest(version) is None and not is_tagged(store, version, but=name):
        store.objects.delete([key])
        raise VersionRejected(store.collection, version, "a sweep has just taken it")
    return made


def untag(store: SnapshotStore, name: str) -> None:
    """Delete a tag; VersionRejected when there is none. What it kept goes with the next sweep."""
    key = tag_key(store, name)
    if store.objects.find(key) is None:
        raise VersionRejected(store.collection, name, "there is no such tag")
    store.objects.delete([key])


def _there(store: SnapshotStore, name: str, version: str) -> Tag:
    """Return the tag that was there first, perhaps by an earlier try of ours."""
    found = find_tag(store, name)
    if found is None or found.version != version:
        names = found.version if found else "a version that was just untagged"
        why = f"the tag {name} names {names}: `instep tag {store.collection} --delete {name}` first"
        raise VersionRejected(store.collection, version, why)
    return found
