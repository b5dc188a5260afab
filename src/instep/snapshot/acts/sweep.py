"""Delete what retention lets go: versions first, then the packs that no version names any more.

Safe beside anyone, without a lock (docs/adr/0010). What is listed comes before HEAD is
read, so that HEAD has passed the parent of all that is condemned. Packs are judged by a listing of
versions, and of tags, made after the deletes: whoever needs an old version's packs (a rollback, a
tag) stores that first and then looks whether the old version is still there. A sweep that dies
leaves loose packs, which the next one deletes; nothing it did not list itself is ever deleted.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from instep.aws.objects import Listed
from instep.batched import batched
from instep.errors import SnapshotCorrupt
from instep.snapshot.acts.retention import Known, Retention, condemned, loose_packs
from instep.snapshot.copy.inventory import VersionFile, read_versions, version_files
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.copy.tags import read_tags
from instep.snapshot.format.head import Head, unusable_head
from instep.snapshot.format.manifest import Manifest

_DELETED_AT_ONCE: Final = 1000
_PACK: Final = re.compile("[0-9a-f]{64}")

Progress: TypeAlias = Callable[[int, int], None]
"""Called with objects deleted and objects to delete in all."""


@dataclass(frozen=True)
class Swept:
    """What went, or with a dry run would go: versions, packs and their bytes in S3; what stays."""

    collection: str
    versions: tuple[str, ...]
    packs: int
    bytes: int
    versions_kept: int
    packs_kept: int


@dataclass
class _Versions:
    """The versions read so far, and the packs each one names."""

    known: dict[str, Known] = field(default_factory=dict)
    packs: dict[str, set[str]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def read(self, store: SnapshotStore) -> None:
        """Take in every version that lies in S3 now and was not read before.

        An unreadable one ends the sweep by its named error: what it names cannot be known.
        """
        new = [file for file in version_files(store) if file.version not in self.known]
        for file, found in read_versions(store, new):
            if not isinstance(found, Manifest):
                raise found
            self._add(file, found)

    def named(self, but: Iterable[str]) -> set[str]:
        """Return the packs that the versions need, those left out in `but` aside."""
        left = self.packs.keys() - set(but)
        return {name for version in left for name in self.packs[version]}

    def _add(self, file: VersionFile, manifest: Manifest) -> None:
        self.known[file.version] = Known(file.version, manifest.parent, file.written)
        self.sizes[file.version] = file.size
        # One string a pack, however many versions name it.
        self.packs[file.version] = {self._names.setdefault(name, name) for name in manifest.packs()}


def sweep(
    store: SnapshotStore,
    retention: Retention,
    *,
    dry_run: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> Swept:
    """Delete what `retention` lets go; a dry run only says what that would be.

    SnapshotCorrupt or SnapshotUnsupported, with nothing deleted, while HEAD or a version cannot be
    read. StorageUnavailable: some of it is deleted, the next sweep goes on.
    """
    now = store.clock()  # first, so that what is written from here on is young
    packs = {name: entry for entry in store.all_packs() if (name := _pack_name(entry))}
    versions = _Versions()
    versions.read(store)
    head = store.head()
    if head is None or head.version not in versions.known:
        versions.read(store)  # it moved to a version younger than the listing
    _require_whole(store, versions, head)
    heads = [head.version if head else None, *_successors(store)]
    tagged = {tag.version for tag in read_tags(store)}
    lets_go = condemned(versions.known, heads, retention, now)
    going = [version for version in lets_go if version not in tagged]
    if not dry_run:
        store.objects.delete(map(store.manifest_key, going))
        versions.read(store)  # a rollback may have named old packs anew since, or a tag
    named = versions.named(going).union(*(tag.manifest.packs() for tag in read_tags(store)))
    loose = loose_packs({name: entry.modified for name, entry in packs.items()}, named, now)
    if not dry_run:
        _delete(store, loose, len(going), progress)
    return Swept(
        store.collection,
        tuple(going),
        len(loose),
        sum(packs[name].size for name in loose) + sum(versions.sizes[name] for name in going),
        len(versions.known) - len(going),
        len(packs) - len(loose),
    )


def _successors(store: SnapshotStore) -> list[str]:
    """Return the versions that heads in the making name: however old, they are not garbage."""
    heads = [store.beside(name).head() for name in store.successors()]
    return [head.version for head in heads if head is not None]


def _require_whole(store: SnapshotStore, versions: _Versions, head: Head | None) -> None:
    """Refuse to judge by a HEAD that cannot be right: all history would seem to be let go."""
    if head is None:
        children = [one for one in versions.known.values() if one.parent is not None]
        if children:
            what = f"{store.head_key} is missing, though {children[0].version} was made from a head"
            raise unusable_head(store.objects, store.head_name, what)
    elif head.version not in versions.known:
        raise SnapshotCorrupt(
            store.collection, f"HEAD names {head.version}, whose version file is missing"
        )


def _delete(store: SnapshotStore, loose: list[str], gone: int, progress: Progress) -> None:
    total = gone + len(loose)
    progress(gone, total)
    for few in batched(loose, _DELETED_AT_ONCE):
        store.objects.delete(map(store.pack_key, few))
        gone += len(few)
        progress(gone, total)


def _pack_name(entry: Listed) -> str | None:
    name = entry.key.rpartition("/")[2]
    return name if _PACK.fullmatch(name) else None
