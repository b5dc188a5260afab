"""Bring one file to a version: packs in, every page checked, then written; never half.

A fresh file is built beside its place; a file at an ancestor gets its new pages only after all of
them have been decoded and the digest is the one the manifest names. Nothing is put in place before
every file of the version is ready, so a fetch that is cut off leaves the copy as it was.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from instep.snapshot.format.manifest import FileEntry, Layer, PackRef
from instep.snapshot.format.pack import PackDamaged, decode, no_parent
from instep.snapshot.format.pages import Digest, Normal, PageFile, ReadPage, page_count, write_pages

_PAGES_IN_MEMORY: Final = 32_768  # 128 MB: what a catch-up in place may hold

Progress: TypeAlias = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


class Damaged(ValueError):
    """A pack did not give what the manifest says; or the local copy it stood on is damaged."""

    def __init__(self, pack: str, what: str) -> None:
        super().__init__(what)
        self.pack = pack


@dataclass(frozen=True)
class FilePlan:
    """The layers one file still needs; `start` is where it stands, None for nothing.

    `published` turns a page of the file as it stands into what was published. `hashes`, where
    given, keeps the hash of each page that comes.
    """

    path: Path
    layers: tuple[Layer, ...]
    start: Layer | None = None
    published: Normal | None = None
    hashes: dict[int, bytes] | None = None

    @property
    def refs(self) -> list[PackRef]:
        """The packs to fetch, in the order they apply."""
        return [pack for layer in self.layers for pack in layer.packs]

    @property
    def bytes(self) -> int:
        """Packed bytes to fetch."""
        return sum(layer.bytes for layer in self.layers)


def missing_layers(entry: FileEntry, digest: str, size: int) -> tuple[Layer, ...] | None:
    """Return the layers a file of this digest and size lacks, () when it lacks none.

    None: it is no ancestor, or so far behind that a fresh copy takes less memory.
    """
    for at, layer in reversed(list(enumerate(entry.layers))):
        if (layer.digest, layer.size) == (digest, size):
            missing = entry.layers[at + 1 :]
            pages = sum(pack.pages for layer in missing for pack in layer.packs)
            return missing if pages <= _PAGES_IN_MEMORY else None
    return None


@dataclass
class Prepared:
    """A file's next content, checked and ready, beside the file or in memory; not yet in place."""

    path: Path
    partial: Path
    pages: dict[int, bytes]
    size: int

    def commit(self) -> None:
        """Put it in place."""
        if self.partial.exists():
            self.partial.replace(self.path)
        else:
            write_pages(self.path, self.pages, self.size)

    def discard(self) -> None:
        """Forget it; the file stays as it was."""
        self.partial.unlink(missing_ok=True)


class Fetches(Protocol):
    """Where content comes from."""

    def fetch(self, plans: Iterable[FilePlan], progress: Progress | None = None) -> list[Prepared]:
        """Make the next content of files ready; SnapshotCorrupt when it is not what it should be.

        `progress` gets bytes done and bytes in all.
        """


def prepare(plan: FilePlan, bodies: Iterator[bytes], done: Callable[[int], None]) -> Prepared:
    """Make a file's next content from the packs; `done` is told the bytes of each pack used.

    Raises Damaged; the file itself is not touched before `commit`.
    """
    partial = plan.path.with_name(f"{plan.path.name}.partial")
    prepared = Prepared(plan.path, partial, {}, plan.layers[-1].size)
    if plan.start is not None:
        prepared.pages = _increments(plan, plan.path, plan.layers, plan.start.digest, bodies, done)
        return prepared
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        _base(plan, partial, bodies, done)
        for before, layer in pairwise(plan.layers):
            pages = _increments(plan, partial, (layer,), before.digest, bodies, done)
            write_pages(partial, pages, layer.size)
    except BaseException:
        prepared.discard()
        raise
    return prepared


def _base(plan: FilePlan, path: Path, bodies: Iterator[bytes], done: Callable[[int], None]) -> None:
    base = plan.layers[0]
    digest = Digest(hashes=plan.hashes)
    last = 0
    with path.open("wb") as file:
        for ref in base.packs:
            body = next(bodies)
            for number, page in _checked(body, ref, base.size, no_parent, digest):
                if number != last + 1:
                    raise Damaged(ref.hash, f"page {number} comes after page {last}")
                last = number
                file.write(page)
            done(len(body))
    if last != page_count(base.size) or digest.hex() != base.digest:
        name = base.packs[-1].hash if base.packs else "(none)"
        raise Damaged(name, f"{plan.path.name} does not come out as its digest says")


def _increments(
    plan: FilePlan,
    path: Path,
    layers: tuple[Layer, ...],
    digest: str,
    bodies: Iterator[bytes],
    done: Callable[[int], None],
) -> dict[int, bytes]:
    """Return the pages that the layers leave changed."""
    written: dict[int, bytes] = {}
    with PageFile(path, plan.published) as file:

        def parent(number: int) -> bytes:
            held = written.get(number)
            return file.read(number) if held is None else held

        for layer in layers:
            moving = Digest(digest, plan.hashes)
            shipped: dict[int, bytes] = {}
            for ref in layer.packs:
                body = next(bodies)
                for number, page in _checked(body, ref, layer.size, parent, moving):
                    if number in shipped:
                        raise Damaged(ref.hash, f"page {number} comes twice")
                    shipped[number] = page
                done(len(body))
            written.update(shipped)
            digest = layer.digest
            if moving.hex() != digest:
                raise Damaged(
                    layer.packs[-1].hash, f"{plan.path.name} does not come out as its digest says"
                )
    return written


def _checked(
    body: bytes, ref: PackRef, size: int, parent: ReadPage, digest: Digest
) -> Iterator[tuple[int, bytes]]:
    held = 0
    try:
        for found in decode(body, ref.hash, size, parent, digest):
            held += 1
            yield found
    except PackDamaged as error:
        raise Damaged(ref.hash, str(error)) from error
    if held != ref.pages:
        raise Damaged(ref.hash, f"it holds {held} pages, the manifest says {ref.pages}")
