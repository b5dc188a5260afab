"""What a version ships of a file: an increment on the parent, or the whole file as a new base."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from instep.snapshot.copy.page_hashes import CopyDamaged, PageHashes
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.manifest import FileEntry, Layer
from instep.snapshot.format.pack import PACK_PAGES, EncodedPack, encode, no_parent
from instep.snapshot.format.pages import Digest, Pages, ReadPage, page_count

BASE_SHARE: Final = 0.5  # of its pages changed: a base costs little more and ends the chain


@dataclass(frozen=True)
class Change:
    """A file's next content: its size, the pages that differ, and how it was before.

    `hashes` are those of the file as it was: what is shipped in place of a page, or against it, is
    shipped only if that page has its hash. They move along with what is shipped.
    """

    size: int
    pages: Pages
    before: ReadPage
    hashes: PageHashes | None = None


def ship(
    store: SnapshotStore,
    version: str,
    entry: FileEntry | None,
    change: Change,
    base_share: float = BASE_SHARE,
) -> FileEntry:
    """Store the packs and return the file's new entry; `entry` None: there was no such file.

    A base is shipped when more than `base_share` of its pages changed. CopyDamaged when the change
    has hashes, and what it stands on is not what they say.
    """
    if entry is None or _wants_base(entry, change, base_share):
        if entry is not None and change.hashes is not None:
            _require_whole(entry, change)
        return ship_base(store, version, change)
    shipped: dict[int, bytes] = {}
    digest = Digest(entry.digest, shipped)
    packs = store.put_packs(_changed(change, digest, version))
    if not packs and change.size == entry.size:
        return entry
    _move(change, shipped)
    layer = Layer(version, change.size, digest.hex(), tuple(packs))
    return FileEntry((*entry.layers, layer))


def ship_base(store: SnapshotStore, version: str, change: Change) -> FileEntry:
    """Store the whole file as a base."""
    shipped: dict[int, bytes] = {}
    digest = Digest(hashes=shipped if change.hashes is not None else None)
    packs = store.put_packs(_whole(change, digest, version))
    _move(change, shipped)
    return FileEntry((Layer(version, change.size, digest.hex(), tuple(packs)),))


def _wants_base(entry: FileEntry, change: Change, share: float) -> bool:
    shrinks = change.size < entry.size
    return shrinks or len(change.pages) > share * page_count(change.size)


def _require_whole(entry: FileEntry, change: Change) -> None:
    """Read all of the file as it was: a base carries its unchanged pages on."""
    digest = Digest()
    for number in range(1, page_count(entry.size) + 1):
        digest.add(number, change.before(number))
    if digest.hex() != entry.digest:
        raise CopyDamaged("the file is not what its digest says")


def _move(change: Change, shipped: dict[int, bytes]) -> None:
    if change.hashes is not None:
        change.hashes.update(shipped, change.size)


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
            yield _increment(change, now, before, digest, version)
            now, before = {}, {}
    if now:
        yield _increment(change, now, before, digest, version)


def _increment(
    change: Change, now: Pages, before: Pages, digest: Digest, version: str
) -> EncodedPack:
    pack = encode(now, before.__getitem__, digest, version)
    if change.hashes is not None and change.hashes.digest(before) != pack.replaced:
        raise CopyDamaged("pages of the file are not what their hashes say")
    return pack


def _whole(change: Change, digest: Digest, version: str) -> Iterator[EncodedPack]:
    last = page_count(change.size)
    for start in range(1, last + 1, PACK_PAGES):
        numbers = range(start, min(start + PACK_PAGES, last + 1))
        pages = {n: change.pages[n] if n in change.pages else change.before(n) for n in numbers}
        yield encode(pages, no_parent, digest, version)
