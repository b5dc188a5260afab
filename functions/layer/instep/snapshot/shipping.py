"""What a version ships of a file: an increment on the parent, or the whole file as a new base."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from instep.snapshot.manifest import FileEntry, Layer
from instep.snapshot.pack import PACK_PAGES, EncodedPack, encode, no_parent
from instep.snapshot.pages import Digest, Pages, ReadPage, page_count
from instep.snapshot.store import SnapshotStore

BASE_SHARE: Final = 0.5  # of its pages changed: a base costs little more and ends the chain


@dataclass(frozen=True)
class Change:
    """A file's next content: its size, the pages that differ, and how it was before."""

    size: int
    pages: Pages
    before: ReadPage


def ship(
    store: SnapshotStore,
    version: str,
    entry: FileEntry | None,
    change: Change,
    base_share: float = BASE_SHARE,
) -> FileEntry:
    """Store the packs and return the file's new entry; `entry` None: there was no such file.

    A base is shipped when more than `base_share` of its pages changed.
    """
    if entry is None or _wants_base(entry, change, base_share):
        return ship_base(store, version, change)
    digest = Digest(entry.digest)
    packs = store.put_packs(_changed(change, digest, version))
    if not packs and change.size == entry.size:
        return entry
    layer = Layer(version, change.size, digest.hex(), tuple(packs))
    return FileEntry((*entry.layers, layer))


def ship_base(store: SnapshotStore, version: str, change: Change) -> FileEntry:
    """Store the whole file as a base."""
    digest = Digest()
    packs = store.put_packs(_whole(change, digest, version))
    return FileEntry((Layer(version, change.size, digest.hex(), tuple(packs)),))


def _wants_base(entry: FileEntry, change: Change, share: float) -> bool:
    shrinks = change.size < entry.size
    return shrinks or len(change.pages) > share * page_count(change.size)


def _changed(change: Change, digest: Digest, version: str) -> Iterator[EncodedPack]:
    """Pack the pages that differ from what they were; each is read once."""
    now: dict[int, bytes] = {}
    before: dict[int, bytes] = {}
    for number in sorted(change.pages):
        page, old = change.pages[number], change.before(number)
        if page == old:
            continue
        now[number], before[number] = page, old
        if len(now) == PACK_PAGES:
            yield encode(now, before.__getitem__, digest, version)
            now, before = {}, {}
    if now:
        yield encode(now, before.__getitem__, digest, version)


def _whole(change: Change, digest: Digest, version: str) -> Iterator[EncodedPack]:
    last = page_count(change.size)
    for start in range(1, last + 1, PACK_PAGES):
        numbers = range(start, min(start + PACK_PAGES, last + 1))
        pages = {n: change.pages[n] if n in change.pages else change.before(n) for n in numbers}
        yield encode(pages, no_parent, digest, version)
