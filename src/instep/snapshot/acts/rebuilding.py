"""A Chroma directory made anew, by the chromadb of this release, from a foreign one's records.

What is published is then what chromadb wrote here: of the foreign files only ids, vectors, metadata
and documents are left, each judged before it is written, and the graph of the index is its own.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from instep.batched import batched
from instep.chroma import sqlite_rows
from instep.chroma.carriable import sift
from instep.chroma.collection import (
    ChromaRefused,
    apply,
    close_client,
    create_collection,
    open_client,
)
from instep.chroma.hnsw.vectors import read_vectors
from instep.chroma.persisting import persist
from instep.chroma.sqlite_rows import SQLITE
from instep.difference import Addition, Changes
from instep.domain import CollectionSpec, Space
from instep.errors import ImportRejected
from instep.snapshot.copy.fetch import Progress
from instep.snapshot.copy.writable import settled
from instep.snapshot.format.manifest import Facts

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

Reading: TypeAlias = Callable[[Path, str], Mapping[str, Addition]]
"""Returns by id what a collection in a directory holds, without native code; or ImportRejected."""

Identify: TypeAlias = Callable[[str], Mapping[str, Any]]
"""Returns by an id the metadata that finds its embedding (`instep.domain.Domain.identify`)."""

_AT_ONCE: Final = 500  # vectors between two words of progress: two seconds
_PERSISTED: Final = 5_000  # vectors after which chromadb writes the index it has so far
_ALIKE: Final = 1e-5  # how far a direction times its length may be from the vector


def rebuild(
    theirs: Path,
    made: Path,
    collection: str,
    reading: Reading,
    identify: Identify,
    building: Progress,
) -> Facts:
    """Make the directory `made` from what `theirs` holds; `building` gets vectors done and in all.

    What `identify` says of an id is written over what the foreign metadata says.

    ImportRejected names what is not to be had, or which embedding chromadb does not carry. The
    vectors are held in memory.
    """
    main = theirs / SQLITE
    try:
        records = reading(theirs, collection)
        sqlite_rows.check_foreign(main)
        sqlite_rows.require_alone(main, collection)
        space = sqlite_rows.space(main)
        changes = _carried(collection, named(records, identify))
        _write(made, collection, space, changes.adds, building)
        persist(made, collection)
        _require_written(made, changes.adds, cosine=space == "cosine")
        return settled(made / SQLITE, collection)
    except (*ChromaRefused, sqlite3.Error) as error:  # DatabaseRejected is one too
        raise ImportRejected(f"{collection}: cannot be made anew here: {error}") from error


def named(records: Mapping[str, Addition], identify: Identify) -> dict[str, Addition]:
    """Return records that say themselves whose they are, whatever somebody else wrote there."""
    return {
        id_: replace(record, metadata={**record.metadata, **identify(id_)})
        for id_, record in records.items()
    }


def _carried(collection: str, records: Mapping[str, Addition]) -> Changes:
    """Return what to write; ImportRejected, by id, when chromadb would refuse or bend any of it."""
    changes, refused = sift(Changes(adds=records), None)
    for id_, refusal in refused.items():
        raise ImportRejected(
            f"{collection}: chromadb does not carry {len(refused)} of its embeddings, so "
            f"{id_!r:.200}: {refusal.reason}; nothing was imported"
        )
    return changes


def _write(
    made: Path, name: str, space: Space, adds: Mapping[str, Addition], building: Progress
) -> None:
    """Write the records, a few at a time: chromadb indexes each as it comes."""
    rounds = -(-len(adds) // _PERSISTED) or 1
    client = open_client(made)
    try:
        # A round ends with the last vector, or nearly: what then waits is indexed once more.
        collection = create_collection(
            client, name, CollectionSpec(space), max(2, len(adds) // rounds)
        )
        for done, part in _parts(adds):
            _apply(collection, part)
            building(done, len(adds))
    finally:
        close_client(client)


def _apply(collection: "Collection", part: Mapping[str, Addition]) -> None:
    if refused := apply(collection, Changes(adds=part)).refused:
        id_, refusal = next(iter(refused.items()))
        raise ImportRejected(f"{collection.name}: {id_!r:.200}: {refusal.reason}")


def _parts(adds: Mapping[str, Addition]) -> Iterator[tuple[int, dict[str, Addition]]]:
    """Yield a few at a time, with how many there were by then."""
    done = 0
    for part in batched(adds.items(), _AT_ONCE):
        done += len(part)
        yield done, dict(part)


def _require_written(made: Path, adds: Mapping[str, Addition], *, cosine: bool) -> None:
    """Hold what chromadb persisted against what it was given."""
    segment = made / sqlite_rows.vector_segment(made / SQLITE)
    found = read_vectors(segment, cosine=cosine)
    tolerance = _ALIKE if cosine else 0.0
    if odd := _otherwise(adds.items(), found, tolerance):
        raise ImportRejected(
            f"chromadb does not keep the vectors of {len(odd)} embeddings as they are, so "
            f"{odd[0]!r:.200}; nothing was imported"
        )


def _otherwise(
    items: "Iterable[tuple[str, Addition]]", found: Mapping[str, np.ndarray], tolerance: float
) -> list[str]:
    """Return the ids whose vectors were not found, or found to be others."""
    return [
        id_
        for id_, add in items
        if id_ not in found or not np.allclose(found[id_], add.embedding, tolerance, tolerance)
    ]
