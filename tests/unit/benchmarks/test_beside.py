"""What goes on beside a block fails it: no figure is taken of traffic that stopped."""

import threading

import pytest

from benchmarks.beside import alongside, beside, every


def fail(*_: object) -> None:
    raise LookupError("the traffic stopped")


def test_what_was_done_alongside_has_ended_behind_the_block_and_tells_its_failure() -> None:
    may_end, ended = threading.Event(), threading.Event()

    def slow() -> None:
        assert may_end.wait(30)
        ended.set()

    with pytest.raises(LookupError, match="traffic stopped"), alongside(fail, slow):
        may_end.set()
    assert ended.is_set()


def test_what_goes_on_until_the_end_tells_its_failure() -> None:
    with pytest.raises(LookupError, match="traffic stopped"), beside(fail, "work"):
        pass


def test_what_is_done_every_so_often_tells_its_failure() -> None:
    failed = threading.Event()

    def act() -> None:
        failed.set()
        fail()

    with pytest.raises(LookupError, match="traffic stopped"), every(0.0, act, "work"):
        assert failed.wait(30)
