"""When to look into the inbox again: rounds start no closer than `roundSeconds`, unless the last
could not take all there was; and what was put off is waited for, longer each time in a row.

All of it pure and in whole seconds, as a Wait state counts (docs/design.md, "Pace").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Final

HIDDEN: Final = timedelta(seconds=60)
"""The queue's visibility timeout: when a message that was taken comes back by itself."""
BUSY_DELAYS: Final = (5, 10, 20, 40, 60)
"""Seconds after which deferred messages come back, by the rounds in a row that deferred some."""
STUCK_DELAYS: Final = (5, 15, 60)
"""The same for messages of a collection that failed as a whole; then the run ends, and is red."""


@dataclass(frozen=True)
class Pace:
    """At least `seconds` between the starts of two rounds; 0: back to back."""

    seconds: int

    def pause(self, began: datetime, now: datetime) -> int:
        """Return the seconds to wait after a round that began then."""
        left = timedelta(seconds=self.seconds) - (now - began)
        return max(0, ceil(left.total_seconds()))

    def wait_for(self, due: datetime | None, now: datetime) -> int:
        """Return the seconds until another look, when all that is hidden is back at `due` (None or
        past: nobody knows when).

        A change that comes meanwhile has to wait as long, so it is no longer than between rounds.
        """
        left = 0 if due is None else ceil((due - now).total_seconds())
        return max(1, min(self.seconds, left) if left > 0 else self.seconds)


def delay(delays: Sequence[int], in_a_row: int) -> int:
    """Return the delay after so many rounds in a row; the last one for all further."""
    return delays[min(in_a_row, len(delays) - 1)]
