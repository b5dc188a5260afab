"""Something done beside a block, in a thread of its own; what it raises is raised behind it."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def beside(work: Callable[[Event], object], name: str) -> Iterator[None]:
    """Do `work`, which is to return soon after its event is set: that says the block has ended.

    What it raises ends it, and is raised behind the block.
    """
    ended = Event()
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work(ended)
        except BaseException as error:  # noqa: BLE001 - told where the block is
            failures.append(error)

    thread = Thread(target=guarded, name=name)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if failures:
        raise failures[0]


def every(seconds: float, act: Callable[[], object], name: str) -> AbstractContextManager[None]:
    """Do `act` so many seconds after it was last done, until the block ends."""

    def work(ended: Event) -> None:
        while not ended.wait(seconds):
            act()

    return beside(work, name)


@contextmanager
def alongside(*works: Callable[[], T]) -> Iterator[list[Future[T]]]:
    """Do each to its end, which the block's waits for; behind it the results are there."""
    with ThreadPoolExecutor(len(works)) as pool:
        doing = [pool.submit(work) for work in works]
        yield doing
    for one in doing:
        one.result()
