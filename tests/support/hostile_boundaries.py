"""Boundaries that misbehave, each in its own way, over about one input in ten."""

import os
import random
import resource
import signal
from collections.abc import Callable
from pathlib import Path

from benchmarks.hostile.boundary import Boundary
from benchmarks.hostile.case import Case

ONE_IN = 10


def boundaries(_: Path) -> list[Boundary]:
    """One that is sound, and one for every fault."""
    return [
        Case("sound", (ValueError,), _drawn, _sound),
        *(
            Case(name, (ValueError,), _drawn, _over_one(act))
            for name, act in {"leaks": _leak, "dies": _die, "grows": _grow, "hangs": _hang}.items()
        ),
    ]


def _drawn(dice: random.Random) -> int:
    return dice.randrange(ONE_IN)


def _sound(drawn: int) -> None:
    if drawn % 2:
        raise ValueError(drawn)


def _over_one(act: Callable[[], object]) -> Callable[[int], None]:
    def read(drawn: int) -> None:
        # Not while a process measures what its boundaries cost: that is not being watched.
        if drawn == 0 and resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
            act()

    return read


def _leak() -> None:
    raise KeyError("nobody declared it")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _grow() -> None:
    bytearray(2 << 30)


def _hang() -> None:
    signal.pause()
