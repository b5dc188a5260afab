"""Things a few at a time, as every batch API wants them (itertools has it from Python 3.12 on)."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(items: Iterable[T], length: int) -> Iterator[list[T]]:
    """Yield items in their order, `length` at a time and the rest; read only as far as asked."""
    left = iter(items)
    while few := list(islice(left, length)):
        yield few
