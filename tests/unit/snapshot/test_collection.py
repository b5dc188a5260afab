"""Bulk reads and writes, beyond what chromadb takes in one call."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from instep.collection import CHUNK, apply, close_client, create_collection, open_client, read
from instep.difference import Addition, Carried, Changes, Update
from tests.support.snapshots import NAME, names, vector

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection


@pytest.fixture
def collection(tmp_path: Path) -> Iterator["Collection"]:
    client = open_client(tmp_path)
    yield create_collection(client, NAME)
    close_client(client)


def test_more_records_than_one_call_takes(collection: "Collection") -> None:
    ids = names(CHUNK + 3)
    apply(collection, Changes(adds={id_: Addition([1.0, 2.0], {"n": 1}) for id_ in ids}))
    assert collection.count() == len(ids)
    apply(collection, Changes(updates={id_: Update({"n": 2}) for id_ in ids}))
    assert len(read(collection)) == len(ids)
    assert {carried.metadata["n"] for carried in read(collection, ids=ids).values()} == {2}
    apply(collection, Changes(deletes=tuple(ids[1:])))
    assert list(read(collection)) == ids[:1]


def test_additions_with_and_without_text_and_fields(collection: "Collection") -> None:
    apply(
        collection,
        Changes(
            adds={
                "whole": Addition(vector("a"), {"place": "p", "tags": ["x", "y"]}, "text"),
                "bare": Addition(vector("b"), {}),
            }
        ),
    )
    assert read(collection) == {
        "whole": Carried({"place": "p", "tags": ["x", "y"]}, "text"),
        "bare": Carried({}, None),
    }
    apply(
        collection, Changes(adds={"whole": Addition(vector("c"), {"place": None, "n": 1}, "new")})
    )
    assert read(collection, ids=["whole"])["whole"] == Carried({"tags": ["x", "y"], "n": 1}, "new")


@pytest.mark.domain("any-width")
def test_the_space_is_l2(collection: "Collection") -> None:
    """The predecessor's vectors, and the distances that readers compare, are of this space."""
    apply(
        collection,
        Changes(adds={"far": Addition([0.0, 3.0], {}), "near": Addition([2.0, 0.0], {})}),
    )
    found = collection.query(query_embeddings=[[1.0, 0.0]], n_results=2)  # type: ignore[arg-type]
    assert found["ids"] == [["near", "far"]]
    assert found["distances"] == [[1.0, 10.0]]


def test_reading_by_ids_by_where_and_by_both(collection: "Collection") -> None:
    adds = {id_: Addition([1.0], {"n": at % 2}) for at, id_ in enumerate(names(6))}
    apply(collection, Changes(adds=adds))
    assert list(read(collection, ids=["w00001", "missing"])) == ["w00001"]
    assert set(read(collection, where={"n": 1})) == {"w00001", "w00003", "w00005"}
    assert set(read(collection, ids=["w00001", "w00002"], where={"n": 1})) == {"w00001"}
    assert read(collection, ids=[]) == {}
