"""The traffic of the simulated week: little by night, most at noon, every day the same.

A day is a minute. An edit is of one label and feeds one word; a probe a second is one too.
"""

from collections.abc import Iterator
from math import pi, sin

DAY = 60.0  # seconds
NIGHT, NOON = 0.2, 6.0  # edits a second
PROBES = 1.0  # a second, beside the edits


def traffic(days: float) -> Iterator[float]:
    """Yield when each edit is due, in seconds."""
    at = 0.0
    while at < days * DAY:
        yield at
        at += 1 / rate(at)


def rate(at: float) -> float:
    """Return how many edits a second there are at a second of the traffic."""
    middle, swing = (NOON + NIGHT) / 2, (NOON - NIGHT) / 2
    return middle - swing * sin(2 * pi * at / DAY + pi / 2)
