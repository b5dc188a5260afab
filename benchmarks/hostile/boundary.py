"""What reads bytes from outside: how such bytes come about, and which errors it may answer with."""

import random
from typing import Protocol


class Boundary(Protocol):
    """One reader of foreign bytes. Anything it raises that is not declared is a fault of its own.

    `mutated` makes an input from the dice alone, so that seed and number bring it back.
    """

    name: str
    declared: tuple[type[Exception], ...]

    def mutated(self, dice: random.Random) -> object:
        """Return an input: a valid one with something about it changed."""
        ...

    def read(self, sample: object) -> None:
        """Read it as the code does that meets it; raise one of `declared`, or nothing."""
        ...
