"""What `instep.chroma.carriable` says of a value, held against the real chromadb: what is accepted
is read back equal, what is refused is refused or bent there.
"""

import contextlib
import enum
import math
from collections.abc import Iterator
from itertools import count, product
from typing import Any

import chromadb
import numpy as np
import pytest
from chromadb.base_types import SparseVector
from chromadb.config import Settings
from hypothesis import given
from hypothesis import strategies as st

from instep.chroma.carriable import (
    NotCarriable,
    Refusal,
    as_vector,
    check_document,
    is_id,
    sift,
    wrong_fields,
)
from instep.difference import Addition, Carried, Changes, Update, Wanted, difference

HALF = "\ud800"  # of a surrogate pair: JSON may spell it, UTF-8 cannot
_numbers = count()


class Text(str):
    """A string of another type."""


class Colour(enum.StrEnum):
    RED = "red"


class Nameless:
    """Something whose repr does not work."""

    def __repr__(self) -> str:
        raise RuntimeError("no name")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    made: Any = chromadb.PersistentClient(
        str(tmp_path_factory.mktemp("chroma")), settings=Settings(anonymized_telemetry=False)
    )
    yield made
    made.close()


@pytest.fixture
def fresh(client: Any) -> Any:
    return client.create_collection(f"fresh-{next(_numbers)}", embedding_function=None)


@pytest.fixture(scope="module")
def steady(client: Any) -> Any:
    """A collection that only what is accepted is written to."""
    made = client.create_collection("steady", embedding_function=None)
    made.add(ids=["first"], embeddings=[[1.0, 2.0]], metadatas=[{"kept": 1}])
    return made


def same(have: Any, want: Any) -> bool:
    """Compare with types; chromadb's log gives a float back within two units of the last place."""
    if isinstance(want, list):
        return isinstance(have, list) and len(have) == len(want) and all(map(same, have, want))
    if type(want) is float and type(have) is float:
        return math.isclose(have, want, rel_tol=1e-15, abs_tol=1e-323)
    return type(have) is type(want) and bool(have == want)


def stored(collection: Any, verb: str, key: Any, value: Any) -> Any:
    """Write one field as a producer would, and return what chromadb then has of it.

    None when it has nothing; whatever it raises is raised.
    """
    more = {} if verb == "update" else {"embeddings": [[1.0, 2.0]]}
    getattr(collection, verb)(ids=["first"], metadatas=[{key: value}], **more)
    return collection.get(ids=["first"])["metadatas"][0].get(key)


texts = st.text(st.characters(codec="utf-8"), max_size=30)
scalars = (
    texts,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
values = st.one_of(*scalars, *(st.lists(one, min_size=1, max_size=4) for one in scalars))
keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(
    lambda key: not key.startswith(("#", "$", "chroma:"))
)


@given(key=keys, fields=st.lists(values, min_size=2, max_size=2), verb=st.sampled_from("uU"))
def test_every_accepted_field_is_read_back_equal_whatever_was_there(
    steady: Any, key: str, fields: list[Any], verb: str
) -> None:
    for value in fields:
        assert wrong_fields({key: value}) == {}
        got = stored(steady, {"u": "update", "U": "upsert"}[verb], key, value)
        assert same(sorted(got), sorted(value)) if isinstance(value, list) else same(got, value)
    steady.update(ids=["first"], metadatas=[{key: None}])
    assert key not in steady.get(ids=["first"])["metadatas"][0]


@pytest.mark.parametrize("verb", ["update", "upsert"])
@pytest.mark.parametrize(
    "value",
    [
        HALF,
        [HALF],
        Text("x"),
        Colour.RED,
        2**63,
        -(2**63) - 1,
        10**5000,
        [2**63],
        [-(2**63) - 1],
        math.nan,
        math.inf,
        -math.inf,
        [math.nan],
        [1.0, math.inf],
        np.float32(1.5),
        np.float64(1.5),
        np.int64(1),
        np.bool_(True),
        [np.float64(1.5)],
        [],
        ["a", 1],
        [True, 1],
        [1, 1.5],
        ["a", None],
        [["a"]],
        [{"a": 1}],
        {"a": 1},
        {"a"},
        ("a",),
        b"a",
        1j,
        Nameless(),
        SparseVector(indices=[0], values=[1.0]),
    ],
    ids=lambda value: f"{type(value).__name__}-{ascii(type(value))[:40]}",
)
def test_every_refused_value_is_refused_or_bent(fresh: Any, value: Any, verb: str) -> None:
    assert wrong_fields({"right": 1, "k": value}).keys() == {"k"}
    fresh.add(ids=["first"], embeddings=[[1.0, 2.0]], metadatas=[{"kept": 1}])
    with contextlib.suppress(Exception):  # whatever it raises is a refusal
        got = stored(fresh, verb, "k", value)
        if same(got, value):
            pytest.fail(f"it carries {got!r}")


@pytest.mark.parametrize(
    "key", ["", "#", "#document", "$and", "chroma:document", "chroma:x", HALF, 1, None, ("a",)]
)
def test_every_refused_key_is_refused_or_lost(fresh: Any, key: Any) -> None:
    assert wrong_fields({"right": 1, key: "x"}).keys() == {key}
    fresh.add(ids=["first"], embeddings=[[1.0, 2.0]], metadatas=[{"kept": 1}])
    with contextlib.suppress(Exception):  # whatever it raises is a refusal
        got = stored(fresh, "update", key, "x")
        if got is not None:
            pytest.fail(f"it carries {got!r}")


def test_a_list_with_a_number_that_is_none_would_end_the_collection(fresh: Any) -> None:
    """Why the judgement comes before the write: behind it, no call ever works again."""
    fresh.add(ids=["a", "b"], embeddings=[[1.0], [2.0]])
    with pytest.raises(Exception, match="pull logs"):
        fresh.update(ids=["a"], metadatas=[{"k": [math.nan]}])
    with pytest.raises(Exception, match="pull logs"):
        fresh.update(ids=["b"], metadatas=[{"k": 1}])
    with pytest.raises(Exception, match="pull logs"):
        fresh.get()


@given(id_=st.text(st.characters(codec="utf-8"), min_size=1), document=st.none() | texts)
def test_every_accepted_id_and_document_is_read_back_equal(
    steady: Any, id_: str, document: str | None
) -> None:
    assert is_id(id_)
    check_document(document)
    given_ = {} if document is None else {"documents": [document]}
    steady.upsert(ids=[id_], embeddings=[[1.0, 2.0]], **given_)
    assert steady.get(ids=[id_])["ids"] == [id_]
    assert document is None or steady.get(ids=[id_])["documents"] == [document]
    steady.delete(ids=[id_])


@pytest.mark.parametrize("id_", ["", HALF, 1, None, b"a", ("a",)])
def test_every_refused_id_is_refused(fresh: Any, id_: Any) -> None:
    assert not is_id(id_)
    with pytest.raises(Exception, match=r"ID|utf-8"):
        fresh.add(ids=[id_], embeddings=[[1.0]])


@pytest.mark.parametrize("document", [HALF, 1, b"a", ["a"]])
def test_every_refused_document_is_refused(fresh: Any, document: Any) -> None:
    with pytest.raises(NotCarriable, match="document"):
        check_document(document)
    with pytest.raises(Exception, match=r"document|utf-8"):
        fresh.add(ids=["a"], embeddings=[[1.0]], documents=[document])


@given(
    vector=st.lists(
        st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2
    )
)
@pytest.mark.parametrize("made", [list, np.array, lambda row: np.array(row, np.float32)])
def test_every_accepted_vector_is_read_back_equal(
    steady: Any, made: Any, vector: list[float]
) -> None:
    ready = as_vector(made(vector), 2)
    steady.upsert(ids=["v"], embeddings=[ready])
    assert steady.get(ids=["v"], include=["embeddings"])["embeddings"][0].tolist() == vector


@pytest.mark.parametrize(
    "vector",
    [
        [math.nan, 1.0],
        [math.inf, 1.0],
        [1e39, 1.0],
        [1.0],
        [1.0, 2.0, 3.0],
        [],
        None,
        ["a", "b"],
        "ab",
        b"ab",
        [None, 1.0],
        [[1.0, 2.0]],
        [10**400, 1.0],
        [True, False],
        {0: 1.0},
        np.array([1 + 1j, 2]),
        np.array([math.nan, 1], np.float32),
        np.array([[1.0, 2.0]]),
        np.array([True, False]),
    ],
    ids=lambda vector: f"{vector!r:.30}",
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_every_refused_vector_is_refused(fresh: Any, vector: Any) -> None:
    fresh.add(ids=["a"], embeddings=[[1.0, 2.0]])
    with pytest.raises(NotCarriable):
        as_vector(vector, 2)
    with pytest.raises(Exception):  # noqa: B017, PT011 - chromadb's reasons are many
        fresh.add(ids=["b"], embeddings=[vector])


@pytest.mark.parametrize("width", [1, 1536])
def test_the_first_good_vector_decides_the_dimension(width: int) -> None:
    adds = {
        "bad": Addition([math.nan] * 3, {}),
        "first": Addition([1.0] * width, {}),
        "other": Addition([1.0] * (width + 1), {}),
    }
    good, refused = sift(Changes(adds=adds), None)
    assert list(good.adds) == ["first"]
    assert refused["other"].reason == (
        f"the vector has {width + 1} numbers, the collection's {width}"
    )


def test_of_an_update_only_the_fields_at_fault_are_set_aside() -> None:
    updates = {
        "some": Update({"right": 1, "wrong": math.nan, "gone": None}),
        "all": Update({"wrong": 2**64}),
        "none": Update({"right": "x"}),
        "document": Update({"right": "x"}, HALF),
    }
    good, refused = sift(Changes(updates=updates), None)
    assert good.updates == {"some": Update({"right": 1, "gone": None}), "none": updates["none"]}
    assert refused == {
        "some": Refusal("'wrong': nan is no finite number", frozenset({"wrong"})),
        "all": Refusal(
            "'wrong': 18446744073709551616 is an int beyond 64 bits", frozenset({"wrong"})
        ),
        "document": Refusal("the document '\\ud800' is no text"),
    }


def test_two_refusals_of_one_embedding_are_whole_if_either_is() -> None:
    one, two = Refusal("a", frozenset("k")), Refusal("b", frozenset("l"))
    assert one + two == Refusal("a; b", frozenset("kl"))
    assert one + Refusal("c") == Refusal("a; c")


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_that_was_written_is_not_written_again(steady: Any, number: float) -> None:
    """chromadb gives it back a last digit off: as a difference it would be written for ever."""
    steady.update(ids=["first"], metadatas=[{"n": number, "l": [number, 1.0]}])
    carried = {"first": Carried(steady.get(ids=["first"])["metadatas"][0])}
    wanted = {"first": Wanted({"n": number, "l": [number, 1.0]})}
    assert not difference(carried, wanted)


@pytest.mark.parametrize(
    ("have", "want"),
    [([1.0], [10**5000]), (["a"], [{"a": 1}]), ([1], [[1]]), (1.0, math.nan), ({}, {"a": 1})],
)
def test_a_value_of_any_kind_differs_and_raises_nothing(have: Any, want: Any) -> None:
    changes = difference({"a": Carried({"k": have})}, {"a": Wanted({"k": want})})
    assert sift(changes, None)[1].keys() == {"a"}


@pytest.mark.parametrize(("one", "two"), list(product([1, 1.0, True, "1"], repeat=2)))
def test_values_of_two_types_are_two_values(one: Any, two: Any) -> None:
    changes = difference({"a": Carried({"k": one})}, {"a": Wanted({"k": two})})
    assert bool(changes) is (type(one) is not type(two))
