"""Pages <-> the compressed bytes of a pack, an immutable object named by its sha256.

Chunks of pages are compressed by zstd level 3 with the parent's pages of the same numbers as
prefix: a changed page costs about what changed in it (docs/design.md, "Snapshot store").
A pack comes from outside when it is read: every size in it is checked before it is believed.
It carries the digest of the parent's pages that it replaces, so that its reader need not hash them:
what comes into their place is checked page by page.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import zstandard

from instep.batched import batched
from instep.snapshot.format.pages import PAGE, PAGE_HASH, Digest, Pages, ReadPage, page_length

LEVEL: Final = 3
CHUNK_PAGES: Final = 32
PACK_PAGES: Final = 4096  # 16 MB of pages: what one GET brings and one worker decodes
MAX_PACK_BYTES: Final = PACK_PAGES * (PAGE + 64) + 4096  # incompressible pages and their tables
_SALT: Final = 8
# magic, salt, pages, pages a chunk, bytes of page numbers, digest of the pages replaced
_HEADER: Final = struct.Struct(f"<8s{_SALT}sIII32s")
_MAGIC: Final = b"INSTEPK1"


class PackDamaged(ValueError):
    """The bytes are no pack, or not the pack they should be; the message says how."""


@dataclass(frozen=True)
class EncodedPack:
    """A pack ready to be stored: its name is `hash`, the sha256 of `body`.

    `replaced` is the digest of the parent's pages that its pages come in place of.
    """

    hash: str
    body: bytes
    pages: int
    replaced: str


def no_parent(_number: int) -> bytes:
    """Read the pages of a base: there are none before it."""
    return b""


def encode(pages: Pages, parent: ReadPage, digest: Digest, version: str) -> EncodedPack:
    """Compress up to PACK_PAGES pages against the parent's; `digest` moves from those to these.

    The name depends on the version, so that nobody writes a pack again that a sweep is deleting.
    """
    numbers = sorted(pages)
    if not 0 < len(numbers) <= PACK_PAGES:
        raise ValueError(f"a pack holds 1 to {PACK_PAGES} pages, not {len(numbers)}")
    chunks: list[bytes] = []
    hashes: list[bytes] = []
    replaced = Digest()
    for chunk in batched(numbers, CHUNK_PAGES):
        before = [parent(number) for number in chunk]
        now = [pages[number] for number in chunk]
        hashes += map(digest.add, chunk, now)
        for number, page in zip(chunk, before, strict=True):
            if page:
                replaced.add(number, page)
        chunks.append(_compress(b"".join(now), b"".join(before)))
    digest.subtract(replaced)
    steps = [number - before for before, number in zip([0, *numbers], numbers, strict=False)]
    packed_numbers = _compress(struct.pack(f"<{len(steps)}I", *steps), b"")
    salt = sha256(version.encode()).digest()[:_SALT]
    counts = (len(numbers), CHUNK_PAGES, len(packed_numbers))
    body = b"".join(
        [
            _HEADER.pack(_MAGIC, salt, *counts, replaced.to_bytes()),
            packed_numbers,
            *(hashed[:PAGE_HASH] for hashed in hashes),
            struct.pack(f"<{len(chunks)}I", *map(len, chunks)),
            *chunks,
        ]
    )
    return EncodedPack(sha256(body).hexdigest(), body, len(numbers), replaced.hex())


def decode(
    body: bytes, expected: str, size: int, parent: ReadPage, digest: Digest
) -> Iterator[tuple[int, bytes]]:
    """Yield (number, page) of every page of a pack of a file of `size` bytes.

    `digest` moves from the parent's pages to these. Raises PackDamaged when the bytes are not those
    named `expected`, or any page is not what its hash says; pages already yielded were right.
    """
    if sha256(body).hexdigest() != expected:
        raise PackDamaged("its bytes are not those its name stands for")
    try:
        numbers, hashes, chunks, replaced = _open(body)
    except (struct.error, zstandard.ZstdError) as error:
        raise PackDamaged(f"it is no pack: {error}") from error
    digest.subtract(replaced)
    at = 0
    for chunk, packed in zip(batched(numbers, CHUNK_PAGES), chunks, strict=True):
        lengths = [page_length(number, size) for number in chunk]
        raw = _decompress(packed, b"".join(map(parent, chunk)), sum(lengths))
        offset = 0
        for number, length in zip(chunk, lengths, strict=True):
            page = raw[offset : offset + length]
            offset += length
            hashed = digest.add(number, page)
            if not page or hashed[:PAGE_HASH] != hashes[at : at + PAGE_HASH]:
                raise PackDamaged(f"page {number} is not what its hash says")
            at += PAGE_HASH
            yield number, page


def _open(body: bytes) -> tuple[list[int], bytes, list[bytes], Digest]:
    """Take the pack apart: page numbers, their hashes, compressed chunks, what they replace."""
    magic, _, count, chunk_pages, numbers_length, replaced = _HEADER.unpack_from(body)
    if magic != _MAGIC or chunk_pages != CHUNK_PAGES or not 0 < count <= PACK_PAGES:
        raise PackDamaged("it is no pack of this format")
    at = _HEADER.size
    steps = struct.unpack(f"<{count}I", _decompress(body[at : at + numbers_length], b"", 4 * count))
    at += numbers_length
    numbers: list[int] = []
    for step in steps:
        if step == 0:
            raise PackDamaged("its page numbers do not grow")
        numbers.append(step + (numbers[-1] if numbers else 0))
    hashes = body[at : at + PAGE_HASH * count]
    at += len(hashes)
    chunk_count = -(-count // CHUNK_PAGES)
    chunk_lengths = struct.unpack_from(f"<{chunk_count}I", body, at)
    at += 4 * chunk_count
    chunks = []
    for length in chunk_lengths:
        chunks.append(body[at : at + length])
        at += length
    if at != len(body):
        raise PackDamaged(f"it has {len(body)} bytes where its tables say {at}")
    return numbers, hashes, chunks, Digest.from_bytes(replaced)


def _dictionary(prefix: bytes) -> zstandard.ZstdCompressionDict | None:
    if not prefix:
        return None
    return zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _compress(raw: bytes, prefix: bytes) -> bytes:
    return zstandard.ZstdCompressor(
        level=LEVEL, dict_data=_dictionary(prefix), write_checksum=False
    ).compress(raw)


def _decompress(packed: bytes, prefix: bytes, length: int) -> bytes:
    """Return exactly `length` bytes; a frame that claims another length is never unpacked."""
    try:
        if zstandard.frame_content_size(packed) != length:
            raise PackDamaged("a chunk claims another length than its pages have")
        return zstandard.ZstdDecompressor(dict_data=_dictionary(prefix)).decompress(packed)
    except zstandard.ZstdError as error:
        raise PackDamaged(f"a chunk does not decompress: {error}") from error
