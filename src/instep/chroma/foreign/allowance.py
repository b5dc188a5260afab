"""How much may be read of one delta: as much as its stored bytes can stand for, and no more.

Twenty kilobytes may unpack to megabytes of tiny values, each of which takes a hundred bytes here.
"""

import sqlite3
from time import thread_time
from typing import Final

from instep.errors import DeltaRejected

_FEWEST: Final = 50_000  # values that any delta may have
_OF_A_BYTE: Final = 2  # values that each byte stored allows beyond
_MOST: Final = 4_000_000
_STEPS: Final = 100_000  # SQLite instructions between two looks at the time
_SECONDS: Final = 5.0  # of this thread's own work, which a busy machine does not shorten
_BYTES_A_SECOND: Final = 10 << 20


class Allowance:
    """What is left to be read of a delta of so many bytes as stored."""

    def __init__(self, stored: int) -> None:
        self._all = self._left = min(_MOST, max(_FEWEST, stored * _OF_A_BYTE))

    def take(self, values: int) -> None:
        """Count rows, or members of a text; DeltaRejected when there are too many."""
        self._left -= values
        if self._left < 0:
            raise DeltaRejected(
                f"it holds more than the {self._all} values that a delta of its size may hold: "
                f"write it in several"
            )


def bound_time(db: sqlite3.Connection, size: int) -> None:
    """Interrupt the connection once it has worked longer than a database of so many bytes takes."""
    end = thread_time() + _SECONDS + size / _BYTES_A_SECOND
    db.set_progress_handler(lambda: thread_time() > end, _STEPS)
