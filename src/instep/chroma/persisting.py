"""Let chromadb write its vector index, never again by itself, and prove that it did.

Needed where vectors must not wait in the queue: a fold, and an import. The queue is gone then, so
what was queued is read back from the index's files: chromadb 1.5.9 keeps a replaced vector in
memory only when its point has no living neighbour, and says nothing (docs/adr/0009).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from instep.chroma import sqlite_rows
from instep.chroma.collection import (
    apply,
    opened,
    persist_after,
    read,
    read_vectors,
)
from instep.chroma.hnsw import remains
from instep.chroma.hnsw.labels import IndexBroken
from instep.chroma.hnsw.layout import HEADER
from instep.chroma.hnsw.vectors import read_vectors as read_persisted
from instep.chroma.sqlite_rows import OUT_OF_REACH, SQLITE
from instep.difference import Addition, Changes
from instep.errors import SnapshotUnsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from chromadb.api.models.Collection import Collection
    from numpy.typing import NDArray

    Vectors: TypeAlias = Mapping[str, NDArray[np.float32]]

_AT_ONCE: Final = 1  # log records after which chromadb persists: at the next read, that is


def persist(directory: Path, name: str) -> None:
    """Persist the index of the collection; its sync threshold is out of reach from then on."""
    queued, _ = sqlite_rows.queued(directory / SQLITE)
    with opened(directory, name) as collection:
        persist_after(collection, _AT_ONCE)
    with opened(directory, name) as collection:
        collection.get(limit=1)  # chromadb reads its queue before it answers
        wanted = read_vectors(collection, queued)
    segment = directory / sqlite_rows.vector_segment(directory / SQLITE)
    # Of an index that nothing waited for, an older chromadb's perhaps, nothing is to be read.
    doubtful = _otherwise(wanted, _stored(segment, wanted) if wanted else {})
    with opened(directory, name) as collection:
        # In the space cosine the files hold directions only; chromadb knows how long each was.
        lost = _otherwise(doubtful, read_vectors(collection, doubtful))
        _write_anew(collection, lost)
        persist_after(collection, OUT_OF_REACH)
    if (segment / HEADER).exists():  # there is no index without a vector
        remains.forget(segment)


def _otherwise(wanted: "Vectors", found: "Vectors") -> "Vectors":
    """Return what is wanted and was found otherwise, or not at all."""
    return {
        id_: vector
        for id_, vector in wanted.items()
        if id_ not in found or vector.tobytes() != found[id_].tobytes()
    }


def _stored(segment: Path, wanted: "Vectors") -> "Vectors":
    try:
        return read_persisted(segment, wanted.keys())
    except IndexBroken as error:
        raise SnapshotUnsupported(
            f"{segment}: chromadb persisted an index this release cannot read: {error}; is this "
            f"another chromadb than 1.5.9?"
        ) from error


def _write_anew(collection: "Collection", vectors: "Vectors") -> None:
    """Write embeddings as new points of the index, which chromadb persists at once."""
    carried = read(collection, ids=list(vectors))
    apply(collection, Changes(deletes=tuple(carried)))
    adds = {
        id_: Addition(vectors[id_], found.metadata, found.document)
        for id_, found in carried.items()
    }
    if refused := apply(collection, Changes(adds=adds)).refused:
        id_, refusal = next(iter(refused.items()))
        raise SnapshotUnsupported(
            f"{len(refused)} embeddings cannot be written anew, {id_!r} because {refusal.reason}"
        )
