"""The nearest embeddings of a snapshot: to a text, to one of them, to a vector. Loads chromadb."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from chromadb.errors import ChromaError

from instep.cli.hits import Hit
from instep.cli.output import Refused
from instep.embedding.asking import asks
from instep.embedding.local import unit_vectors

if TYPE_CHECKING:
    from instep.snapshot.copy.reader import Snapshot

_SEARCHED: Final = 400  # of which the nearest of each text are shown


def nearest(
    snapshot: "Snapshot", text: str, count: int, where: Mapping[str, Any] | None = None
) -> list[Hit]:
    """Return the `count` nearest texts to a text; Refused for a bad filter or another width.

    What made the collection's vectors embeds it, if Instep ships that; else the local model.
    """
    if snapshot.collection.count() == 0:
        return []
    (asked,) = (asks(snapshot.embedder) or unit_vectors)([text])
    return nearest_to(snapshot, asked, count, where)


def vector_of(snapshot: "Snapshot", id_: str) -> Any:
    """Return the vector that an embedding carries; Refused when there is no such embedding."""
    found = snapshot.collection.get(ids=[id_], include=["embeddings"])["embeddings"]
    if found is None or len(found) == 0:
        raise Refused(f"{snapshot.collection.name} has no embedding {id_!r}")
    return found[0]


def nearest_to(
    snapshot: "Snapshot", vector: Any, count: int, where: Mapping[str, Any] | None = None
) -> list[Hit]:
    """Return the `count` nearest texts to a vector (floats, one of the collection's width).

    Refused for a vector of another width, and for a filter that chromadb does not take.
    """
    collection = snapshot.collection
    asked: Any = np.asarray(vector, np.float32)
    sample = collection.get(limit=1, include=["embeddings"])["embeddings"]
    if sample is None or len(sample) == 0:
        return []
    if len(sample[0]) != len(asked):
        raise Refused(
            f"{collection.name} holds vectors of {len(sample[0])} floats, this one has "
            f"{len(asked)}: give one of its own model with --vector FILE, or an embedding of it "
            f"with --like ID"
        )
    queries: Any = [asked]
    try:
        found: Any = collection.query(
            query_embeddings=queries,
            n_results=min(_SEARCHED, collection.count()),
            where=dict(where) if where else None,
            include=["metadatas", "documents", "embeddings"],
        )
    except (ValueError, ChromaError) as error:
        raise Refused(f"chromadb does not take this --where: {error}") from error
    near = np.asarray(found["embeddings"][0]).reshape(-1, len(asked))  # none too
    lengths = np.linalg.norm(near, axis=1) * np.linalg.norm(asked)
    cosines = near @ asked / np.where(lengths, lengths, 1.0)
    return _distinct(found, cosines.tolist(), count)


def _distinct(found: Mapping[str, Any], cosines: Sequence[float], count: int) -> list[Hit]:
    """Keep the nearest of each text, and count the others."""
    kept: dict[str, Hit] = {}
    more: dict[str, int] = {}
    columns = (found[name][0] for name in ("ids", "documents", "metadatas"))
    for id_, document, metadata, cosine in zip(*columns, cosines, strict=True):
        text = document or str((metadata or {}).get("text", ""))
        if text in kept:
            more[text] += 1
        elif len(kept) < count:
            kept[text] = Hit(id_, text, round(cosine, 4), metadata or {})
            more[text] = 0
    return [
        Hit(hit.id, hit.text, hit.similarity, hit.metadata, more[text])
        for text, hit in kept.items()
    ]
