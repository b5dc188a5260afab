"""Texts become vectors once: over duplicates, refusals, deadlines, crashes and second tries."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.chroma.carriable import Refusal
from instep.embedding.parked import Parked
from instep.embedding.texts import RESERVE, Embedded, Progress, embed_texts
from instep.errors import EmbedderBroken, EmbedderUnavailable
from tests.support.deaths import ProcessDied
from tests.unit.embedding.world import BAD, Counting, Life, Shelf, Time, answer, embedded, enough

HALF = "\ud83d"  # of a surrogate pair: no text that UTF-8 can write
TEXTS = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.one_of(st.sampled_from([f"text {n}" for n in range(8)]), st.sampled_from(["!", "!!", HALF])),
    max_size=12,
)


def check(texts: dict[str, str], came: Embedded) -> None:
    """Every id is in one of the three, and what it has is what its text says."""
    assert sorted([*came.vectors, *came.refused, *came.waiting]) == sorted(texts)
    for id_, vector in came.vectors.items():
        assert vector.dtype == np.float32
        np.testing.assert_array_equal(vector, answer(texts[id_]))
    assert all(texts[id_].startswith((BAD, HALF)) for id_ in came.refused)


def distinct(texts: dict[str, str]) -> list[str]:
    return sorted(set(texts.values()) - {HALF})


def test_every_id_has_the_vector_of_its_text_and_equal_texts_are_asked_once() -> None:
    texts = {str(n): f"text {n % 10}" for n in range(1000)}
    embedder = Counting(batch=4)
    came = embedded(texts, embedder, Shelf())
    check(texts, came)
    assert len(came.vectors) == 1000
    assert sorted(embedder.asked) == distinct(texts)
    assert came.asked == 10
    assert [len(call) for call in embedder.calls] == [4, 4, 2]


def test_no_text_asks_nobody() -> None:
    shelf, embedder = Shelf(), Counting()
    assert embedded({}, embedder, shelf) == Embedded()
    assert (shelf.life.steps, embedder.calls) == (0, [])


def test_a_text_that_is_refused_harms_no_other() -> None:
    texts = {"a": "milk", "b": "!too long", "c": "bread", "d": HALF}
    came = embedded(texts, Counting(), Shelf())
    check(texts, came)
    assert set(came.refused) == {"b", "d"}
    assert came.refused["b"].reason == "!too long is bad"
    assert "UTF-8" in came.refused["d"].reason


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ([float("nan"), 1.0], "NaN"),
        ([1e300, 1.0], "float32"),
        ([], "no list of numbers"),
        (None, "no list of numbers"),
        ("1, 2", "no list of numbers"),
        ([[1.0, 2.0]], "no list of numbers"),
        ([True, False], "no list of numbers"),
    ],
)
def test_a_vector_that_is_none_is_that_text_s_refusal(made: Any, why: str) -> None:
    class Odd(Counting):
        def embed(self, texts: Any) -> Any:
            return [made if text == "odd" else answer(text) for text in texts]

    came = embedded({"a": "milk", "b": "odd"}, Odd(), Shelf())
    assert set(came.vectors) == {"a"}
    assert why in came.refused["b"].reason


def test_an_embedder_that_answers_another_number_is_broken_and_nothing_is_kept() -> None:
    class Short(Counting):
        def embed(self, texts: Any) -> Any:
            return super().embed(texts)[1:]

    shelf = Shelf()
    with pytest.raises(EmbedderBroken, match="3 answers to 4 texts"):
        embedded({str(n): str(n) for n in range(4)}, Short(), shelf)
    assert not shelf.held


def test_calls_end_in_time_and_what_was_not_asked_waits() -> None:
    texts = {str(n): f"text {n}" for n in range(20)}
    embedder = Counting(batch=2, takes=timedelta(seconds=10))
    until = embedder.clock() + timedelta(seconds=95)
    came = embedded(texts, embedder, Shelf(), timedelta(seconds=95))
    check(texts, came)
    assert len(came.vectors) == 6  # a fourth call would end 55 s before the end
    assert len(came.waiting) == 14
    assert until - embedder.clock() >= RESERVE


def test_one_slow_call_is_what_the_next_is_reckoned_by() -> None:
    embedder = Counting(batch=1, takes=timedelta(seconds=100))
    texts = {str(n): str(n) for n in range(5)}
    came = embedded(texts, embedder, Shelf(), RESERVE + timedelta(seconds=150))
    assert len(came.vectors) == 1


def test_the_next_piece_of_a_work_is_reckoned_by_the_slowest_call_of_the_last() -> None:
    shelf, embedder = Shelf(), Counting(takes=timedelta(seconds=100))
    until, clock = embedder.clock() + RESERVE + timedelta(seconds=150), embedder.clock
    parked = Parked(shelf, "work/1")
    first = embed_texts({"a": "milk"}, embedder, parked, until, clock)
    second = embed_texts({"b": "bread"}, embedder, parked, until, clock, slowest=first.slowest)
    assert (set(first.vectors), second.waiting) == ({"a"}, {"b"})


def test_too_little_time_asks_nothing() -> None:
    embedder = Counting()
    came = embedded({"a": "milk"}, embedder, Shelf(), RESERVE - timedelta(seconds=1))
    assert (came.waiting, embedder.calls) == ({"a"}, [])


def test_each_call_is_told_of() -> None:
    told: list[Progress] = []
    texts = {str(n): f"text {n}" for n in range(5)}
    embedded(texts, Counting(batch=2), Shelf(), each=told.append)
    assert [(one.done, one.of) for one in told] == [(2, 5), (4, 5), (5, 5)]
    assert {one.took for one in told} == {timedelta(seconds=1)}


def test_another_embedder_does_not_take_what_the_first_made() -> None:
    shelf = Shelf()
    embedded({"a": "milk"}, Counting(), shelf)
    other = Counting(name="counting@2")
    embedded({"a": "milk"}, other, shelf)
    assert other.asked == ["milk"]


def test_a_service_that_fails_leaves_what_it_had_answered() -> None:
    class Failing(Counting):
        def embed(self, texts: Any) -> Any:
            if len(self.calls) == 2:
                raise EmbedderUnavailable("throttled")
            return super().embed(texts)

    texts = {str(n): f"text {n}" for n in range(9)}
    shelf, second = Shelf(), Counting(batch=3)
    with pytest.raises(EmbedderUnavailable):
        embedded(texts, Failing(batch=3), shelf)
    check(texts, embedded(texts, second, shelf))
    assert len(second.asked) == 3


def test_pieces_of_one_work_read_what_is_parked_once() -> None:
    shelf, embedder = Shelf(), Counting()
    embedded({str(n): f"text {n}" for n in range(20)}, embedder, shelf)
    parked = Parked(shelf, "work/1")
    for n in range(20):
        embed_texts({"a": f"text {n}"}, embedder, parked, Time().now, Time())
    assert sorted(shelf.reads) == sorted(shelf.held)
    assert len(embedder.asked) == 20


@pytest.mark.parametrize("batch", [1, 3, 20])
def test_a_crash_anywhere_embeds_at_most_one_batch_twice(batch: int) -> None:
    texts = {str(n): f"{'!' * (n % 5 == 0)}text {n % 12}" for n in range(16)}
    whole = Life()
    embedded(texts, Counting(batch, life=whole), Shelf(life=whole))
    assert whole.steps > 4
    for ends in range(whole.steps):
        life, held = Life(ends), Shelf()
        first, second = Counting(batch, life=life), Counting(batch)
        with pytest.raises(ProcessDied):
            embedded(texts, first, Shelf(held.held, life))
        came = embedded(texts, second, held)
        check(texts, came)
        assert not came.waiting
        assert len(first.asked) + len(second.asked) <= len(distinct(texts)) + batch


@given(
    texts=TEXTS,
    batch=st.integers(1, 5),
    lives=st.lists(st.integers(0, 20), max_size=4),
    calls=st.integers(1, 4),
    data=st.data(),
)
def test_tries_in_any_order_with_any_deaths_and_deadlines_end_with_every_vector(
    texts: dict[str, str], batch: int, lives: list[int], calls: int, data: st.DataObject
) -> None:
    """Tries go on until nothing waits: no text is asked twice but for the batches of deaths."""
    shelf, asked, deaths = Shelf(), 0, 0
    for ends in [*lives, *[None] * 20]:
        life = Life(ends)
        embedder = Counting(batch, life=life)
        order = dict(data.draw(st.permutations(list(texts.items()))))
        try:
            came = embedded(order, embedder, Shelf(shelf.held, life), enough(calls, embedder))
        except ProcessDied:
            deaths += 1
            continue
        finally:
            asked += len(embedder.asked)
            assert len(embedder.asked) == len(set(embedder.asked))
        check(texts, came)
        assert came.asked == len(embedder.asked)
        if not came.waiting:
            break
    assert not came.waiting
    assert {id_ for id_, text in texts.items() if text.startswith((BAD, HALF))} == set(came.refused)
    assert asked <= len(distinct(texts)) + deaths * batch


@given(texts=TEXTS, changed=TEXTS, batch=st.integers(1, 4))
def test_of_work_that_has_changed_only_new_texts_are_asked(
    texts: dict[str, str], changed: dict[str, str], batch: int
) -> None:
    shelf, embedder = Shelf(), Counting(batch)
    embedded(texts, Counting(batch), shelf)
    check(changed, embedded(changed, embedder, shelf))
    assert sorted(embedder.asked) == sorted({*distinct(changed)} - {*distinct(texts)})


def test_a_refusal_is_the_embedder_s_whole() -> None:
    came = embedded({"a": "!x", "b": "!x"}, Counting(), Shelf())
    assert came.refused == {"a": Refusal("!x is bad"), "b": Refusal("!x is bad")}
