"""A snapshot answers and takes nothing: writes are refused, texts go to a model of yours."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import chromadb_rust_bindings  # type: ignore[import-untyped]
import pytest
from chromadb.api.types import EmbeddingFunction

import instep
from instep.chroma import installed
from instep.chroma.gate import READS
from instep.errors import EmbeddingFunctionMissing, SnapshotReadOnly, SnapshotUnsupported
from instep.snapshot.copy.reader import Snapshot
from tests.support.snapshots import NAME, World, adds, names, seen_through, vector

WRITES: Final[dict[str, Callable[[Any, Any], object]]] = {
    "add": lambda _, words: words.add(ids=["x"], embeddings=[vector("x")]),
    "add a text": lambda _, words: words.add(ids=["x"], documents=["x"]),
    "update": lambda _, words: words.update(ids=["w00001"], metadatas=[{"a": 1}]),
    "upsert": lambda _, words: words.upsert(["x"], [vector("x")]),
    "delete": lambda _, words: words.delete(ids=["w00001"]),
    "modify": lambda _, words: words.modify(name="mine"),
    "create": lambda client, _: client.create_collection("mine", embedding_function=None),
    "get or create": lambda client, _: client.get_or_create_collection("mine"),
    "delete all": lambda client, _: client.delete_collection(NAME),
    "reset": lambda client, _: client.reset(),
}
"""Through the snapshot's client, or a collection of it."""


@pytest.fixture
def snapshot(world: World) -> Any:
    world.write(adds(names(20)))
    with instep.open_snapshot(world.store.objects, NAME) as opened:
        yield opened


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_write_is_refused_and_says_where_truth_lies(snapshot: Snapshot, write: Any) -> None:
    before = seen_through(snapshot.collection)
    client = snapshot.client
    for collection in (
        snapshot.collection,
        client.get_collection(NAME),
        client.get_or_create_collection(NAME),
        client.list_collections()[0],
    ):
        with pytest.raises(SnapshotReadOnly, match="Change the item there"):
            write(client, collection)
    assert seen_through(snapshot.collection) == before
    assert client.count_collections() == 1


def test_what_goes_round_the_collections_is_refused_at_the_gate(snapshot: Snapshot) -> None:
    server: Any = snapshot.client._server  # type: ignore[attr-defined]
    with pytest.raises(SnapshotReadOnly, match=r"^delete is refused"):
        server._delete(snapshot.collection.id, ids=["w00001"])
    assert snapshot.collection.count() == 20


def test_all_that_chromadb_offers_is_either_a_read_or_refused() -> None:
    """A new method of its bindings is refused until somebody has looked at what it does."""
    offered = {name for name in dir(chromadb_rust_bindings.Bindings) if not name.startswith("_")}
    assert offered >= READS
    assert offered - READS == {
        "add",
        "create_collection",
        "create_database",
        "create_tenant",
        "delete",
        "delete_collection",
        "delete_database",
        "reset",
        "update",
        "update_collection",
        "upsert",
    }


class Own(EmbeddingFunction[Any]):
    """One of chromadb's kind, that embeds a question otherwise than a document."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, input: Any) -> Any:  # noqa: A002, ARG002 - chromadb's name
        raise AssertionError("a question was embedded as a document")

    def embed_query(self, input: Any) -> Any:  # noqa: A002 - chromadb's name
        self.asked += input
        return [vector(text) for text in input]


def by_sum(texts: Sequence[str]) -> list[list[float]]:
    return [vector(text) for text in texts]


@pytest.mark.parametrize("function", [by_sum, Own()])
def test_a_text_is_looked_for_with_the_function_that_was_given(world: World, function: Any) -> None:
    world.write(adds(names(20)))
    with instep.open_snapshot(world.store.objects, NAME, embedding_function=function) as snapshot:
        for collection in (
            snapshot.collection,
            snapshot.client.get_collection(NAME),
            *snapshot.client.list_collections(),
        ):
            found = collection.query(query_texts=["w00000", "w00019"], n_results=1)
            assert found["ids"] == [["w00000"], ["w00019"]]
        world.write(adds(["other"]))
        snapshot.refresh()
        found = snapshot.collection.query(query_texts=["other"], n_results=1)
        assert found["ids"] == [["other"]]


def test_without_one_no_text_is_embedded_by_chromadbs_default(snapshot: Snapshot) -> None:
    for collection in (
        snapshot.collection,
        snapshot.client.get_collection(NAME),
        *snapshot.client.list_collections(),
    ):
        with pytest.raises(EmbeddingFunctionMissing, match=r"embedding_function=\.\.\."):
            collection.query(query_texts=["dairy"])


def test_a_collection_may_have_a_function_of_its_own(snapshot: Snapshot) -> None:
    own = Own()
    collection = snapshot.client.get_collection(NAME, embedding_function=own)
    assert collection.query(query_texts=["w00019"], n_results=1)["ids"] == [["w00019"]]
    assert own.asked == ["w00019"]


def test_a_chromadb_that_was_not_tried_is_refused_with_what_to_install(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(adds(names(1)))
    monkeypatch.setattr(installed, "version", lambda _: "0.6.3")
    with pytest.raises(SnapshotUnsupported, match="pip install 'chromadb=="):
        instep.open_snapshot("s3://snapshots", NAME)


def test_a_reader_may_have_another_release_than_a_writer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(adds(names(3)))
    monkeypatch.setattr(installed, "version", lambda _: "1.5.2")
    with instep.open_snapshot("s3://snapshots", NAME) as snapshot:
        assert snapshot.collection.count() == 3
    with pytest.raises(SnapshotUnsupported, match="writes with"):
        world.write(adds(names(1, 7)))
