"""A boundary put together from two functions."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class Case:
    """See `Boundary`; `read` gets what `mutated` made."""

    name: str
    declared: tuple[type[Exception], ...]
    mutated: Callable[[random.Random], object]
    read: Callable[[Any], None]
