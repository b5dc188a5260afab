"""What a version ships of a file: an increment on the parent, or the whole file as a new base."""

from collections.abc import Iterable, Iterator
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


def ship(store: SnapshotStore, version: str, entry: FileEntry | None, change: Change) -> FileEntry:
    """Store the packs and return the file's new entry; `entry` None: there was no such file."""
    if entry is None or _wants_base(entry, change):
        return ship_base(store, version, change)
    digest = Digest(entry.digest)
    pages = {n: page for n, page in change.pages.items() if page != change.before(n)}
    if not pages and change.size == entry.size:
        return entry
    for number, page in pages.items():
        digest.replace(number, change.before(number), page)
    packs = store.put_packs(_encoded(sorted(pages.items()), change.before))
    layer = Layer(version, change.size, digest.hex(), tuple(packs))
    return FileEntry((*entry.layers, layer))


def ship_base(store: SnapshotStore, version: str, change: Change) -> FileEntry:
    """Store the whole file as a base."""
    digest = Digest()

    def whole() -> Iterator[tuple[int, bytes]]:
        for number in range(1, page_count(change.size) + 1):
            changed = change.pages.get(number)
            page = change.before(number) if changed is None else changed
            digest.add(number, page)
            yield number, page

    packs = store.put_packs(_encoded(whole(), no_parent))
    return FileEntry((Layer(version, change.size, digest.hex(), tuple(packs)),))


def _wants_base(entry: FileEntry, change: Change) -> bool:
    shrinks = change.size < entry.size
    return shrinks or len(change.pages) > BASE_SHARE * page_count(change.size)


def _encoded(pages: Iterable[tuple[int, bytes]], parent: ReadPage) -> Iterator[EncodedPack]:
    held: dict[int, bytes] = {}
    for number, page in pages:
        held[number] = page
        if len(held) == PACK_PAGES:
            yield encode(held, parent)
            held = {}
    if held:
        yield encode(held, parent)
