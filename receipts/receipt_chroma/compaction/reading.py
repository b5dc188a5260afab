"""Deltas read side by side and handed on in order, as many at a time as memory and disk allow."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

_THREADS: Final = 8
_AHEAD: Final = 32  # deltas read and not yet handed on
_ROOM: Final = 1 << 30  # bytes they may unpack to, more only for one alone

T = TypeVar("T")
Found = TypeVar("Found")
Content = TypeVar("Content")


@dataclass(frozen=True)
class _Ahead(Generic[T, Content]):
    task: T
    content: Future[Content]
    room: int


def read_ahead(
    tasks: Sequence[T],
    find: Callable[[T], Found],
    read: Callable[[T, Found], Content],
    room_of: Callable[[Found], int],
) -> Iterator[tuple[T, Content]]:
    """Yield each task with what `read` returned, in order; `find` says first what room that takes.

    Neither may raise.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        ahead: deque[_Ahead[T, Content]] = deque()
        held = 0
        try:
            for task, found in zip(tasks, threads.map(find, tasks), strict=True):
                room = room_of(found)
                while ahead and (len(ahead) == _AHEAD or held + room > _ROOM):
                    oldest = ahead.popleft()
                    held -= oldest.room
                    yield oldest.task, oldest.content.result()
                ahead.append(_Ahead(task, threads.submit(read, task, found), room))
                held += room
            while ahead:
                oldest = ahead.popleft()
                yield oldest.task, oldest.content.result()
        finally:  # who asks no further does not wait for what nobody will take
            threads.shutdown(wait=False, cancel_futures=True)
