"""Whether a search finds what a collection holds, asked of the index itself.

Chroma's index is a graph (HNSW) of `max_neighbors` links a vector, twice as many on its lowest
floor. Vectors that are one and the same link to each other before anything else; where there are
more of them than links, nothing leads out of their midst, and a search that gets there ends there.
"""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from instep.chroma.collection import ids, read_vectors

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

_ROUNDING: Final = 1e-4  # of a distance, beside the vector's own square


def unreachable(collection: "Collection", most: int) -> tuple[int, list[str]]:
    """Look for up to `most` embeddings, from all over the collection, each by its own vector.

    Return how many were looked for, and the ids of those where nothing as near came back.
    """
    space = collection.get_model().configuration_json["hnsw"]["space"]
    held = read_vectors(collection, _spread(collection, most))
    squares = {id_: float(vector @ vector) for id_, vector in held.items()}
    if space == "cosine":  # without a direction, one is as far from itself as from any other
        squares = {id_: square for id_, square in squares.items() if square}
    asked: Any = [held[id_] for id_ in squares]
    if not asked:
        return 0, []
    found: Any = collection.query(query_embeddings=asked, n_results=1, include=["distances"])
    lost = [
        id_
        for (id_, square), near in zip(squares.items(), found["distances"], strict=True)
        if not near or near[0] > (1.0 - square if space == "ip" else 0.0) + _ROUNDING * (1 + square)
    ]
    return len(asked), lost


def _spread(collection: "Collection", most: int) -> Iterator[str]:
    step = max(1, -(-collection.count() // most))
    return islice(ids(collection), None, None, step)
