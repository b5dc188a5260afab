"""Who may move a snapshot: one thread at a time, until it is closed.

To prepare a version and to put it in place is one act against the copy it was prepared on, and a
close is the last act there is. Queries need no turn: they pass the gate.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, get_ident


class Turn:
    """The right to move one snapshot."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._holder: int | None = None
        self._is_over = False

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have the turn until the block ends; ValueError once the snapshot is closed."""
        self._refuse_holder()
        with self._lock:
            self.check()
            self._holder = get_ident()
            try:
                yield
            finally:
                self._holder = None

    @contextmanager
    def last(self) -> Iterator[None]:
        """Have the turn when all is over: who has it now finds out by `check`, and none follows."""
        self._refuse_holder()
        self.end()
        with self._lock:
            yield

    def end(self) -> None:
        """Let nobody have a turn any more."""
        self._is_over = True

    def check(self) -> None:
        """Raise ValueError once the snapshot is closed, or about to be."""
        if self._is_over:
            raise ValueError("this snapshot is closed: open it again")

    def _refuse_holder(self) -> None:
        """Refuse what would wait for itself: a call out of a refresh's own `progress`."""
        if self._holder == get_ident():
            raise RuntimeError("this snapshot is being refreshed: to stop that, raise an error")
