"""What a fold of a version needs of a machine: estimated from its manifest alone, before any byte
of it is fetched. Pure; the figures behind the constants are docs/operating.md's, "Size".

chromadb holds the whole index and a map of its ids, and beside them the vectors that wait, which it
takes in one by one; the disk holds two copies of everything, and SQLite's third while it vacuums.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

from instep.chroma.sqlite_rows import SQLITE
from instep.errors import FoldTooLarge
from instep.snapshot.format.manifest import Manifest

_MB: Final = 1 << 20
_PROGRAM: Final = 240 * _MB  # Python, chromadb and what a function holds before anything is read
_INDEX: Final = 1.5  # of its files: chromadb has them in memory, and room for them to grow
_OF_AN_ID: Final = 1_100  # bytes of the maps and of reading the labels, an embedding
_OF_A_WAITING: Final = 4_000  # bytes of a log record on its way, beside its vector
_VECTORS_OF_A_WAITING: Final = 4  # queued, read back, compared, and in the index


@dataclass(frozen=True)
class FoldSize:
    """Megabytes (2^20) of memory and of local disk."""

    memory_mb: int
    disk_mb: int

    @classmethod
    def of(cls, manifest: Manifest, times: int = 1) -> "FoldSize":
        """Estimate from above what folding this version takes; were it so many times the vectors
        that wait.
        """
        facts, files = manifest.facts, manifest.files
        index = sum(entry.size for name, entry in files.items() if name != SQLITE)
        database, waiting = files[SQLITE].size, facts.pending_vectors
        vector = _bytes_of_a_vector(index, database, facts.embeddings - waiting, waiting)
        waiting *= times
        memory = (
            _PROGRAM
            + _INDEX * index
            + _OF_AN_ID * facts.embeddings
            + waiting * (_OF_A_WAITING + _VECTORS_OF_A_WAITING * vector)
        )
        disk = 2 * (index + database) + database + waiting * vector
        return cls(ceil(memory / _MB), ceil(disk / _MB))


@dataclass(frozen=True)
class Room:
    """What a function has, in megabytes."""

    memory_mb: int
    disk_mb: int

    def holds(self, size: FoldSize) -> bool:
        """Say whether a fold of this size comes through."""
        return size.memory_mb <= self.memory_mb and size.disk_mb <= self.disk_mb

    def check(self, collection: str, size: FoldSize) -> None:
        """Raise FoldTooLarge for a fold that would die here."""
        if not self.holds(size):
            raise FoldTooLarge(
                collection, size.memory_mb, self.memory_mb, size.disk_mb, self.disk_mb
            )


def _bytes_of_a_vector(index: int, database: int, indexed: int, waiting: int) -> float:
    """Return what a vector takes at most: a share of the index, or of the queue in the database."""
    if indexed > 0 and index:
        return index / indexed
    return database / waiting if waiting else 0.0
