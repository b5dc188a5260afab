"""The two standard streams: as wide as a terminal where there is one, and uncut where there
is none; what moves on one is lifted while the other speaks.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from rich.console import Console, ConsoleDimensions, RenderableType
from rich.status import Status

_UNBOUNDED: Final = 100_000  # columns: in a pipe nothing is wrapped or cut
_NOBODY_READS: Final = 141  # as shells number the end of a program whose reader is gone


class Stream(Console):
    """A standard stream."""

    @property
    def size(self) -> ConsoleDimensions:
        """The width and height that what is printed has."""
        size = super().size
        return size if self.is_terminal else ConsoleDimensions(_UNBOUNDED, size.height)

    @size.setter
    def size(self, size: tuple[int, int]) -> None:
        self._width, self._height = size

    def on_broken_pipe(self) -> None:
        """End as programs do whose reader has seen enough (`| head`)."""
        nobody_reads()


class Remarks(Stream):
    """What is said beside the answers; its moving lines exist on a terminal alone."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.lines: list[Status] = []

    def status(self, status: RenderableType, **settings: Any) -> Status:
        """Return a moving line, for a `with`."""
        return _MovingLine(self, status, **settings)

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Take the moving lines away while something else is printed on the same terminal."""
        lines = list(self.lines) if self.is_terminal else []
        for line in reversed(lines):
            line.stop()
        try:
            yield
        finally:
            for line in lines:
                line.start()


class _MovingLine(Status):
    """A moving line that its stream knows of."""

    def __init__(self, remarks: Remarks, status: RenderableType, **settings: Any) -> None:
        super().__init__(status, console=remarks, **settings)
        self._on = remarks

    def start(self) -> None:
        self._on.lines.append(self)
        super().start()

    def stop(self) -> None:
        super().stop()
        if self in self._on.lines:
            self._on.lines.remove(self)


class Answers(Stream):
    """What was asked for, printed above whatever moves on `beside`."""

    def __init__(self, beside: Remarks, **settings: Any) -> None:
        super().__init__(**settings)
        self._beside = beside

    def print(self, *objects: Any, **settings: Any) -> None:
        """Print."""
        with self._beside.lifted():
            super().print(*objects, **settings)


def nobody_reads() -> NoReturn:
    """Leave without a word: there is nobody to read it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(_NOBODY_READS)
