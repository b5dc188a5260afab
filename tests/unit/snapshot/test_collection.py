"""Bulk reads and writes, beyond what chromadb takes in one call."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromadb.errors import InternalError, InvalidArgumentError

from instep.chroma import bisection
from instep.chroma.carriable import Refusal
from instep.chroma.collection import (
    CHUNK,
    apply,
    close_client,
    create_collection,
    open_client,
    present,
    read,
)
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
    assert read(collection, ids=["", "\ud800", "w00002"]).keys() == {"w00002"}
    assert present(collection, ["w00001", "missing", "", "\ud800"]) == {"w00001"}


def test_what_chromadb_does_not_carry_is_set_aside_and_the_rest_is_written(
    collection: "Collection",
) -> None:
    apply(collection, Changes(adds={id_: Addition([1.0, 2.0], {"n": 0}) for id_ in names(3)}))
    written = apply(
        collection,
        Changes(
            adds={
                "": Addition([1.0, 2.0], {}),
                "narrow": Addition([1.0], {}),
                "new": Addition([3.0, 4.0], {"n": 1}, "text"),
            },
            updates={
                "w00000": Update({"n": 1, "list": [math.nan]}),
                "w00001": Update({"n": 1}, "\ud800"),
                "w00002": Update({"n": 1}),
            },
        ),
    )
    assert {id_: one.metadata["n"] for id_, one in read(collection).items()} == {
        "w00000": 1,
        "w00001": 0,
        "w00002": 1,
        "new": 1,
    }
    assert written.refused.keys() == {"", "narrow", "w00000", "w00001"}
    assert written.refused["w00000"].keys == {"list"}
    assert written.changes.adds.keys() == {"new"}
    assert written.changes.updates == {"w00000": Update({"n": 1}), "w00002": Update({"n": 1})}


def test_the_first_vectors_of_all_decide_the_dimension_for_who_opened_it_empty(
    collection: "Collection",
) -> None:
    assert apply(collection, Changes(adds={"a": Addition([1.0, 2.0], {})})).refused == {}
    refused = apply(collection, Changes(adds={"b": Addition([1.0], {})})).refused
    assert refused == {"b": Refusal("the vector has 1 numbers, the collection's 2")}


class Moody:
    """A collection whose updates raise over some ids, for reasons nobody foresaw."""

    def __init__(self, collection: "Collection", over: Sequence[str], error: Exception) -> None:
        self._collection, self._over, self._error = collection, set(over), error
        self.calls = 0

    def update(self, ids: Sequence[str], metadatas: Any) -> None:
        self.calls += 1
        if self._over & set(ids):
            raise self._error
        self._collection.update(ids=list(ids), metadatas=metadatas)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)


@pytest.mark.parametrize("error", [ValueError("no"), TypeError("no"), InvalidArgumentError("no")])
def test_items_that_raise_for_an_unknown_reason_are_found_and_set_aside(
    collection: "Collection", error: Exception
) -> None:
    ids = names(100)
    apply(collection, Changes(adds={id_: Addition([1.0], {"n": 0}) for id_ in ids}))
    bad = [ids[0], ids[41], ids[99]]
    moody: Any = Moody(collection, bad, error)
    written = apply(moody, Changes(updates={id_: Update({"n": 1}) for id_ in ids}))
    assert written.refused.keys() == set(bad)
    assert all("chromadb refuses it" in one.reason for one in written.refused.values())
    assert written.changes.updates.keys() == set(ids) - set(bad)
    found = read(collection)
    assert {id_ for id_, carried in found.items() if carried.metadata["n"] == 0} == set(bad)
    assert moody.calls <= 2 * 3 * 8  # two halves, three bad ones, seven times halved


def test_a_store_that_refuses_item_after_item_raises_as_soon_as_that_is_sure(
    collection: "Collection",
) -> None:
    ids = names(500)
    apply(collection, Changes(adds={id_: Addition([1.0], {"n": 0}) for id_ in ids}))
    moody: Any = Moody(collection, ids, ValueError("not me"))
    with pytest.raises(ValueError, match="not me"):
        apply(moody, Changes(updates={id_: Update({"n": 1}) for id_ in ids}))
    assert moody.calls < 10 * bisection.MOST


def test_what_is_no_items_fault_goes_up_at_once(collection: "Collection") -> None:
    apply(collection, Changes(adds={id_: Addition([1.0], {"n": 0}) for id_ in names(4)}))
    moody: Any = Moody(collection, names(4), InternalError("disk full"))
    with pytest.raises(InternalError, match="disk full"):
        apply(moody, Changes(updates={id_: Update({"n": 1}) for id_ in names(4)}))
    assert moody.calls == 1


def test_a_collection_that_answers_no_more_is_not_searched_for_bad_items(
    collection: "Collection",
) -> None:
    """A record its log cannot read back ends it: setting items aside one by one would end in all
    of them set aside, every healthy one too.
    """
    apply(collection, Changes(adds={id_: Addition([1.0], {"n": 0}) for id_ in names(8)}))
    with pytest.raises(InvalidArgumentError):
        collection.update(ids=["w00000"], metadatas=[{"n": [math.nan]}])
    with pytest.raises(InvalidArgumentError, match="pull logs"):
        apply(collection, Changes(updates={id_: Update({"n": 1}) for id_ in names(8)}))
