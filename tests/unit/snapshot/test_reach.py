"""What a search cannot reach is found by searching: nothing where vectors differ, the rest of a
collection where so many are one and the same that its graph falls apart.
"""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chromadb
import numpy as np
import pytest

from instep.chroma.reach import unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chromadb.api.models.Collection import Collection
    from numpy.typing import NDArray

WIDTH = 16


@contextmanager
def collection_of(
    directory: Path, vectors: "NDArray[np.float32]", **hnsw: Any
) -> "Iterator[Collection]":
    """Have the vectors in a collection whose index is built, ids in their order."""
    client: Any = chromadb.PersistentClient(directory)
    built = {"sync_threshold": 100, "num_threads": 1, **hnsw}
    collection = client.create_collection(
        "shelf", configuration={"hnsw": built}, embedding_function=None
    )
    collection.add(ids=[f"{at}" for at in range(len(vectors))], embeddings=vectors)
    yield collection
    client.close()


def random_vectors(count: int, seed: int) -> "NDArray[np.float32]":
    made = np.random.default_rng(seed).normal(size=(count, WIDTH))
    return made.astype(np.float32)


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_vectors_that_differ_are_all_found(tmp_path: Path, space: str) -> None:
    vectors = random_vectors(700, seed=1)
    vectors[0] = 0.0  # far from itself by cosine, and no loss
    with collection_of(tmp_path, vectors, space=space) as collection:
        asked, lost = unreachable(collection, 10_000)
        assert lost == []
        assert asked == 700 - (space == "cosine")
        assert unreachable(collection, 100) == (100 - (space == "cosine"), [])


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_what_lies_behind_many_twins_is_named(tmp_path: Path, space: str) -> None:
    vectors = random_vectors(700, seed=2)
    vectors[:400] = vectors[0]
    with collection_of(tmp_path, vectors, space=space, max_neighbors=2) as collection:
        asked, lost = unreachable(collection, 10_000)
        assert (asked, bool(lost)) == (700, True)
        behind = vectors[[int(id_) for id_ in lost]]
        found = collection.query(query_embeddings=behind, n_results=1)["ids"]
    assert all(id_ not in near for id_, near in zip(lost, found, strict=True))


def test_an_empty_collection_has_nothing_to_lose(tmp_path: Path) -> None:
    with collection_of(tmp_path, random_vectors(1, seed=3)) as collection:
        collection.delete(ids=["0"])
        assert unreachable(collection, 100) == (0, [])
