"""What lies where answers are parked is believed only when all of it is in order."""

import io
import json
import pickle
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from instep.aws.objects import Objects
from instep.chroma.carriable import Refusal
from instep.embedding import parked
from instep.embedding.digests import digest_of
from instep.embedding.parked import Answer, NotParked, Parked, read, written
from instep.embedding.texts import embed_texts
from tests.support.aws import BUCKET, ENVIRONMENT, REGION
from tests.support.deaths import Moment, ProcessDied, dying
from tests.unit.embedding.world import START, Counting, Shelf, answer, embedded

MILK = digest_of("counting", "milk")
END = START + timedelta(minutes=14)
FLOATS = np.arange(3, dtype="<f4").tobytes()


VECTORS = st.lists(
    st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=4
).map(lambda numbers: np.array(numbers, np.float32))


def npy(array: Any) -> bytes:
    body = io.BytesIO()
    np.save(body, array, allow_pickle=True)
    return body.getvalue()


def announcing(*entries: object, floats: bytes = FLOATS) -> bytes:
    return json.dumps(entries).encode() + b"\n" + floats


class Bomb:
    """Unpickled, it would end the test run."""

    def __reduce__(self) -> tuple[object, ...]:
        return exit, ("unpickled",)


HOSTILE = {
    "empty": b"",
    "no numbers": announcing([MILK, 3], floats=b""),
    "truncated": announcing([MILK, 3])[:-1],
    "a number short": announcing([MILK, 3])[:-4],
    "a number more": announcing([MILK, 3], floats=FLOATS + b"\0\0\0\0"),
    "another width": announcing([MILK, 2]),
    "two where one is": announcing([MILK, 3], ["0" * 24, 3]),
    "no width": announcing([MILK, 0], floats=b""),
    "a width below none": announcing([MILK, -3]),
    "a width beyond all": announcing([MILK, 10**18]),
    "a width of a million digits": b'[["%s", %s]]\n' % (MILK.encode(), b"9" * 1_000_000),
    "a width that is a float": announcing([MILK, 3.0]),
    "a width that is none": announcing([MILK, None]),
    "an entry too long": announcing([MILK, 3, 3]),
    "an object": b'{"a": 1}\n' + FLOATS,
    "no JSON": MILK.encode() + b"\n" + FLOATS,
    "too deep": b"[" * 100_000 + b"\n" + FLOATS,
    "too much": b"[" + b"1," * 500_000 + b"1]\n" + FLOATS,
    "no UTF-8": b"\xff\xfe\n" + FLOATS,
    "NaN": announcing([MILK, 3], floats=np.full(3, np.nan, "<f4").tobytes()),
    "infinite": announcing([MILK, 3], floats=np.full(3, np.inf, "<f4").tobytes()),
    "a pickle": pickle.dumps({MILK: Bomb()}),
    "an array of objects": npy(np.array([Bomb()], dtype=object)),
    "an array": npy(np.zeros((1, 3), np.float32)),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("is_named_rightly", [True, False])
def test_hostile_objects_are_passed_over(body: bytes, is_named_rightly: bool) -> None:
    shelf = Shelf()
    embedded({"b": "bread"}, Counting(), shelf)
    name = parked._name(body) if is_named_rightly else "0" * 16 + ".vectors"
    shelf.held[f"work/1/{name}"] = body
    embedder = Counting()
    came = embedded({"a": "milk", "b": "bread"}, embedder, shelf)
    np.testing.assert_array_equal(came.vectors["a"], answer("milk"))
    np.testing.assert_array_equal(came.vectors["b"], answer("bread"))
    assert embedder.asked == ["milk"]


def test_an_object_that_was_cut_or_moved_is_not_what_its_name_says() -> None:
    shelf = Shelf()
    embedded({"a": "milk"}, Counting(), shelf)
    ((key, body),) = shelf.held.items()
    embedder = Counting()
    embedded({"a": "milk"}, embedder, Shelf({key.replace("/1/", "/1/x"): body}))
    assert embedder.asked == ["milk"]


def test_more_than_the_memory_is_for_is_left_and_embedded_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shelf = Shelf()
    texts = {str(n): f"text {n}" for n in range(10)}
    embedded(texts, Counting(batch=1), shelf)
    monkeypatch.setattr(parked, "MOST", sum(map(len, shelf.held.values())) - 1)
    embedder = Counting(batch=1)
    assert len(embedded(texts, embedder, shelf).vectors) == 10
    assert len(embedder.asked) == 1


def test_an_object_too_large_is_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, embedder = Shelf(), Counting()
    embedded({"a": "milk"}, Counting(), shelf)
    ours = list(shelf.held)
    shelf.held["work/1/0.vectors"] = bytes(1000)
    monkeypatch.setattr(parked, "LARGEST", 999)
    assert set(embedded({"a": "milk"}, embedder, shelf).vectors) == {"a"}
    assert shelf.reads == ours


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.one_of(
            st.text(max_size=5).map(Refusal),
            VECTORS,
        ),
    )
)
def test_what_was_written_is_read_back_to_the_bit(answers: dict[str, Answer]) -> None:
    back = read(written(answers))
    assert back.keys() == answers.keys()
    for digest, one in answers.items():
        other = back[digest]
        if isinstance(one, Refusal) or isinstance(other, Refusal):
            assert one == other
        else:
            assert one.tobytes() == other.tobytes()


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.integers(0, 10_000))
def test_damage_is_noticed_or_leaves_finite_vectors(at: int, byte: int, cut: int) -> None:
    body = bytearray(written({MILK: np.arange(3, dtype=np.float32), "0": Refusal("bad")}))
    body[at % len(body)] = byte
    try:
        found = read(bytes(body[: cut % (2 * len(body))]))
    except NotParked:
        return
    vectors = [one for one in found.values() if not isinstance(one, Refusal)]
    assert all(np.isfinite(vector).all() and vector.size for vector in vectors)


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> Iterator[Objects]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        client = boto3.client("s3", region_name=REGION)
        client.create_bucket(Bucket=BUCKET)
        yield Objects(client, BUCKET)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_in_s3_a_death_at_any_call_embeds_at_most_one_batch_twice(
    objects: Objects, moment: Moment
) -> None:
    texts = {str(n): f"text {n}" for n in range(6)}
    for at in range(4):  # a listing and a PUT a batch
        place, first, second = Parked(objects, f"work/{at}"), Counting(batch=2), Counting(batch=2)
        with dying(at, moment), pytest.raises(ProcessDied):
            embed_texts(texts, first, place, END, first.clock)
        again = Parked(objects, f"work/{at}/")
        came = embed_texts(texts, second, again, END, second.clock)
        assert len(came.vectors) == 6
        assert len(first.asked) + len(second.asked) <= 6 + 2
        assert came.asked == len(second.asked)
