"""What `instep query` finds, and that to find nothing is an answer."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import chromadb
import pytest

from instep.cli.searching import nearest
from instep.embedding.local import unit_vectors

TEXTS = ["WHOLE MILK", "UNLEADED FUEL"]


@pytest.mark.parametrize(("aisle", "found"), [("dairy", ["WHOLE MILK"]), ("toys", [])])
def test_a_filter_leaves_what_it_lets_through(tmp_path: Path, aisle: str, found: list[str]) -> None:
    client: Any = chromadb.PersistentClient(tmp_path)
    collection = client.create_collection("shelf", embedding_function=None)
    collection.add(
        ids=["1", "2"],
        embeddings=unit_vectors(TEXTS),
        documents=TEXTS,
        metadatas=[{"aisle": "dairy"}, {"aisle": "pump"}],
    )
    snapshot: Any = SimpleNamespace(collection=collection, embedder="")
    assert [hit.text for hit in nearest(snapshot, "dairy", 3, {"aisle": aisle})] == found
    client.close()
