"""The hash of every page of a writer's database, so that nothing is published on a damaged page.

A page's hash is computed anyway when the page is fetched or shipped. Kept beside the copy, it says
of each page that an increment replaces whether it still is what the parent's digest counts, for a
look into a table: to read and hash the whole database would cost a small run a fifth of its time.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from instep.snapshot.copy.fetch import FilePlan
from instep.snapshot.format.pages import Digest, Normal, page_count, page_hash, read_pages

_WIDTH: Final = 32  # bytes of a hash, of a digest and of the kept table's own checksum


class CopyDamaged(ValueError):
    """A file of the copy is not what its version's digest says: nothing may stand on it."""


class PageHashes:
    """The hashes of the pages 1, 2, ... of one file."""

    def __init__(self, raw: bytes = b"") -> None:
        self.raw = bytearray(raw)

    def update(self, hashes: Mapping[int, bytes], size: int) -> None:
        """Take other hashes of some pages, with which the file has `size` bytes."""
        length = page_count(size) * _WIDTH
        self.raw = self.raw[:length].ljust(length, b"\0")
        for number, hashed in hashes.items():
            self.raw[(number - 1) * _WIDTH : number * _WIDTH] = hashed

    def digest(self, numbers: Iterable[int]) -> str:
        """Return what these pages count in the file's digest; one beyond its end counts nothing."""
        digest = Digest()
        for number in numbers:
            digest.count(self.raw[(number - 1) * _WIDTH : number * _WIDTH])
        return digest.hex()


class KeptHashes:
    """The hashes of a database, in a file that says which content it is of; lost, they are made
    anew. Of a content just fetched they are kept in memory: `save` writes what the next run needs.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fetched: tuple[str, PageHashes] | None = None

    def follow(self, plan: FilePlan) -> None:
        """Take the hashes of what has been fetched: a plan with `hashes` was carried out."""
        before = PageHashes() if plan.start is None else self._load(plan.start.digest)
        if before is not None:
            now = plan.layers[-1]
            before.update(plan.hashes or {}, now.size)
            self._fetched = (now.digest, before)

    def of(self, path: Path, digest: str, normal: Normal) -> PageHashes:
        """Return the hashes of the content of this digest, which `path` holds in its normal form.

        Unknown, the file is read whole: CopyDamaged when it does not have that digest.
        """
        if self._fetched and self._fetched[0] == digest:
            return self._fetched[1]
        return self._load(digest) or _read(path, digest, normal)

    def save(self, hashes: PageHashes, digest: str) -> None:
        """Keep the hashes of the content of this digest."""
        named = bytes.fromhex(digest) + hashes.raw
        self._path.write_bytes(sha256(named).digest() + named)

    def _load(self, digest: str) -> PageHashes | None:
        """Return what is kept; None when it is another content's, cut off or damaged."""
        try:
            read = self._path.read_bytes()
        except OSError:
            return None
        checksum, named = read[:_WIDTH], read[_WIDTH:]
        if sha256(named).digest() != checksum or named[:_WIDTH].hex() != digest:
            return None
        return PageHashes(named[_WIDTH:])


def _read(path: Path, digest: str, normal: Normal) -> PageHashes:
    raw = [page_hash(number, normal(number, page)) for number, page in read_pages(path)]
    hashes = PageHashes(b"".join(raw))
    if hashes.digest(range(1, len(raw) + 1)) != digest:
        raise CopyDamaged(f"{path} is not what its digest says")
    return hashes
