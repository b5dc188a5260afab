"""A boundary put together from two functions."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Case(Generic[T]):
    """See `Boundary`; `read` gets what `mutated` made."""

    name: str
    declared: tuple[type[Exception], ...]
    mutated: Callable[[random.Random], T]
    read: Callable[[T], None]
