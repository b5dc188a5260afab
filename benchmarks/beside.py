"""Something done again and again beside a block, in a thread of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def every(seconds: float, act: Callable[[], object], name: str) -> Iterator[None]:
    """Do `act` so many seconds after it was last done, until the block ends.

    What it raises ends it, and is raised behind the block.
    """
    ended = Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while not ended.wait(seconds):
                act()
        except BaseException as error:  # noqa: BLE001 - told where the block is
            failures.append(error)

    thread = Thread(target=work, name=name)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if failures:
        raise failures[0]
