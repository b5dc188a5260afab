"""Files as pages of 4 KB: their digest, and which of them changed between two files.

A file's digest is the sum of its pages' hashes, as in Litestream's LTX and wal3's setsum: an
increment moves it from the old and new pages alone, so the cost follows the change. It guards
against damage, not against an attacker who can write the manifest too.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeAlias

PAGE: Final = 4096
PAGE_HASH: Final = 8  # bytes of a page's hash kept beside it in a pack
_MODULUS: Final = 1 << 256
_RUN: Final = 256  # pages written at once, and held in memory for it

Pages: TypeAlias = Mapping[int, bytes]
"""Page number (from 1, as SQLite counts) to its bytes: PAGE of them, fewer on the last page."""

ReadPage: TypeAlias = Callable[[int], bytes]
"""Gives the bytes of a page of the file as it was, b"" beyond its end."""

Normal: TypeAlias = Callable[[int, bytes], bytes]
"""Rewrites a page as it is read, to the form in which it is published."""


def page_count(size: int) -> int:
    """Return how many pages a file of `size` bytes has."""
    return -(-size // PAGE)


def page_length(number: int, size: int) -> int:
    """Return how many bytes page `number` has in a file of `size` bytes."""
    return max(0, min(PAGE, size - (number - 1) * PAGE))


def page_hash(number: int, page: bytes) -> bytes:
    """Return the 32 bytes that stand for this page at this place."""
    return sha256(number.to_bytes(8, "little") + page).digest()


class Digest:
    """A page-set digest under construction: pages count in, in any order, and out.

    `hashes`, where given, keeps the hash of each page that was counted in, by its number.
    """

    def __init__(self, hexadecimal: str = "0", hashes: dict[int, bytes] | None = None) -> None:
        self._sum = int(hexadecimal, 16)
        self._hashes = hashes

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Digest":
        """Return the digest whose `to_bytes` are these."""
        return cls(raw.hex())

    def add(self, number: int, page: bytes) -> bytes:
        """Count a page in; returns its hash."""
        hashed = page_hash(number, page)
        self.count(hashed)
        if self._hashes is not None:
            self._hashes[number] = hashed
        return hashed

    def count(self, hashed: bytes | bytearray) -> None:
        """Count in a page of this hash."""
        self._sum += int.from_bytes(hashed, "little")

    def subtract(self, other: "Digest") -> None:
        """Count out all that `other` counted in."""
        self._sum -= other._sum

    def to_bytes(self) -> bytes:
        """Return the digest as 32 bytes."""
        return bytes.fromhex(self.hex())

    def hex(self) -> str:
        """Return the digest, 64 hexadecimal digits."""
        return f"{self._sum % _MODULUS:064x}"


def read_pages(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield every page of the file, in order."""
    with path.open("rb", buffering=64 * PAGE) as file:
        number = 0
        while page := file.read(PAGE):
            number += 1
            yield number, page


def file_digest(path: Path, normal: Normal | None = None) -> str:
    """Return the digest of the whole file; `normal` may rewrite a page before it is counted."""
    digest = Digest()
    for number, page in read_pages(path):
        digest.add(number, normal(number, page) if normal else page)
    return digest.hex()


def changed(old: Path, new: Path, normal: Normal | None = None) -> dict[int, bytes]:
    """Return the pages of `new` that `old` has otherwise or not at all: reads both, whole.

    The simple way to find an increment; a fold uses it, and tests hold the WAL against it.
    """
    found: dict[int, bytes] = {}
    with old.open("rb", buffering=64 * PAGE) as before:
        for number, page in read_pages(new):
            kept = before.read(PAGE)
            if normal:
                kept, page = normal(number, kept), normal(number, page)
            if kept != page:
                found[number] = page
    return found


def write_pages(path: Path, pages: Pages, size: int) -> None:
    """Write pages into a file that then has `size` bytes: neighbours in one call.

    Through Python's buffer: a disk with room for a part of it is heard of, not taken for done.
    """
    with path.open("r+b") as file:
        for first, run in _runs(pages):
            file.seek((first - 1) * PAGE)
            file.write(b"".join(run))
        file.truncate(size)


def _runs(pages: Pages) -> Iterator[tuple[int, list[bytes]]]:
    """Yield pages that are neighbours together, _RUN at most, with the number of the first."""
    first, run = 0, list[bytes]()
    for number in sorted(pages):
        if number != first + len(run) or len(run) == _RUN:
            if run:
                yield first, run
            first, run = number, []
        run.append(pages[number])
    if run:
        yield first, run


class PageFile:
    """Random access to the pages of a file; `normal` rewrites a page as it is read."""

    def __init__(self, path: Path, normal: Normal | None = None) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._normal = normal

    def __enter__(self) -> "PageFile":
        """Open until the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def read(self, number: int) -> bytes:
        """Return the page, b"" beyond the end."""
        page = os.pread(self._descriptor, PAGE, (number - 1) * PAGE)
        return self._normal(number, page) if self._normal else page
