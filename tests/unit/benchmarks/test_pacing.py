"""Work is due at times of its own: none is left out, none done twice, late work delays no other."""

import threading

import pytest

from benchmarks.pacing import paced, steady


def test_a_steady_rate_is_due_at_equal_distances() -> None:
    assert list(steady(4, 1.5)) == pytest.approx([0, 0.25, 0.5, 0.75, 1.0, 1.25])
    assert len(list(steady(100, 60))) == 6_000


def test_each_is_done_once() -> None:
    done: list[int] = []
    achieved = paced([0.0] * 200, done.append)
    assert sorted(done) == list(range(200))
    assert achieved.count == 200


def test_one_that_takes_long_keeps_none_of_the_others() -> None:
    others = threading.Barrier(2, timeout=30)

    def act(number: int) -> None:
        if number in (0, 9):  # the first waits for the last
            others.wait()

    assert paced([0.0] * 10, act).count == 10


def test_what_fails_is_told() -> None:
    def act(number: int) -> None:
        if number == 3:
            raise RuntimeError("the third")

    with pytest.raises(RuntimeError, match="the third"):
        paced([0.0] * 10, act)
