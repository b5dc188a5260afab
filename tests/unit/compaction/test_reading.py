"""Deltas are read side by side, handed on in order, and never more than there is room for."""

import threading
from collections.abc import Iterator

from receipt_chroma.compaction import reading
from receipt_chroma.compaction.reading import read_ahead

LARGE = reading._ROOM // 2 + 1


def test_they_come_in_order_whoever_is_read_first() -> None:
    second_is_read = threading.Event()

    def read(task: int, found: int) -> int:
        if task == 0:
            assert second_is_read.wait(30)
        if task == 1:
            second_is_read.set()
        return found * 10

    found = read_ahead(range(100), lambda task: task + 1, read, lambda _: 1)
    assert list(found) == [(task, (task + 1) * 10) for task in range(100)]


def test_what_takes_much_room_is_read_alone() -> None:
    read: list[int] = []
    handed_on = read_ahead(range(3), lambda task: task, lambda task, _: read.append(task), _large)
    for task, _ in handed_on:
        assert read == list(range(task + 1))


def test_who_takes_no_more_leaves_the_rest_unread() -> None:
    read: list[int] = []
    begun = read_ahead(range(5000), lambda task: task, lambda task, _: read.append(task), _small)
    assert next(begun) == (0, None)
    assert isinstance(begun, Iterator)
    begun.close()  # type: ignore[attr-defined]
    assert len(read) <= reading._AHEAD + 1


def _large(_: int) -> int:
    return LARGE


def _small(_: int) -> int:
    return 1
