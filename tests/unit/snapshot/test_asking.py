"""`query_texts` asks the embedder that the version names, if that is one of ours."""

from typing import Any

import pytest

from instep.chroma.collection import apply, get_collection
from instep.difference import Addition, Changes
from instep.domain import CollectionSpec
from instep.embedding.named import embedder_of
from instep.errors import EmbeddingFunctionMissing
from instep.snapshot.acts.publish import publish_unleased
from instep.snapshot.acts.workspace import open_workspace
from instep.snapshot.copy.reader import open_snapshot
from tests.support.snapshots import NAME, World

TEXTS = {"milk": "whole milk", "fuel": "unleaded gasoline"}


def written(world: World, embedder: str) -> World:
    """A version of two texts, embedded by the local model, that names `embedder`."""
    vectors: list[Any] = [*embedder_of("local").embed(list(TEXTS.values()))]
    adds = {
        id_: Addition(vector, {"n": 1}, text)
        for (id_, text), vector in zip(TEXTS.items(), vectors, strict=True)
    }
    spec = CollectionSpec("cosine", embedder=embedder)
    with open_workspace(world.store, world.warm, spec=spec) as workspace:
        apply(get_collection(workspace.client, NAME), Changes(adds=adds))
        publish_unleased(world.store, workspace.stage("writer", 1, None, {}))
    return world


def test_a_text_is_asked_for_with_the_model_that_made_the_vectors(world: World) -> None:
    with open_snapshot(written(world, "local").store.objects, NAME) as snapshot:
        found = snapshot.collection.query(query_texts=["dairy", "petrol"], n_results=1)
    assert found["ids"] == [["milk"], ["fuel"]]


@pytest.mark.parametrize("name", ["", "somebody.code:embed"])
def test_what_lies_in_s3_never_decides_what_a_reader_imports(world: World, name: str) -> None:
    with (
        open_snapshot(written(world, name).store.objects, NAME) as snapshot,
        pytest.raises(EmbeddingFunctionMissing, match="embedding_function="),
    ):
        snapshot.collection.query(query_texts=["dairy"])
