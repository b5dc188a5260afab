"""A child that the kernel ends at a chosen moment of its work: no handler runs, nothing is closed.

Most moments are counted: first visits of the engine's lines, so that a moment is the same place in
every run. SQLite and the index work inside one line; those moments are counted in the processor
time of the run, which a busy machine does not stretch.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from time import process_time
from types import FrameType
from typing import Any, Final, TypeAlias

import instep
from tests.support.processes import FORKED

_ENGINE: Final = str(Path(next(iter(instep.__path__))))


Run: TypeAlias = Callable[..., Callable[[], None]]
"""Prepares, in the child, and returns the work during which it may end."""


@dataclass(frozen=True)
class Length:
    """How long a run is: lines of the engine it visits, and seconds of processor time."""

    lines: int
    seconds: float


@dataclass(frozen=True)
class Moment:
    """When to end: at the first visit of so many lines, or after so many seconds."""

    line: int | None = None
    seconds: float | None = None


@dataclass
class Lines:
    """The lines of the engine that the main thread has visited; `at` the last it will."""

    at: int | None
    seen: set[tuple[str, int]] = field(default_factory=set)

    def enter(self, frame: FrameType, _event: str, _: Any) -> Any:
        """Follow the frames of the engine alone."""
        return self._visit if frame.f_code.co_filename.startswith(_ENGINE) else None

    def _visit(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            self.seen.add((frame.f_code.co_filename, frame.f_lineno))
            if len(self.seen) == self.at:
                os.kill(os.getpid(), signal.SIGKILL)
        return self._visit


def measured(run: Run, *arguments: object) -> Length:
    """Let a child run to its end and return how long that was."""
    receiver, sender = FORKED.Pipe(duplex=False)
    assert _child(run, arguments, Moment(), sender) == 0
    length: Length = receiver.recv()
    return length


def killed(run: Run, *arguments: object, at: Moment) -> bool:
    """Let a child run; say whether it was ended before its end. AssertionError if it failed."""
    code = _child(run, arguments, at, None)
    assert code in {0, -signal.SIGKILL, -signal.SIGPROF}, f"exit code {code}"
    return code != 0


def _child(
    run: Run, arguments: tuple[object, ...], at: Moment, report: Connection | None
) -> int | None:
    process = FORKED.Process(target=_live, args=(run, arguments, at, report), daemon=True)
    process.start()
    process.join()
    return process.exitcode


def _live(
    run: Run,
    arguments: tuple[object, ...],
    at: Moment,
    report: Connection | None,
) -> None:
    work = run(*arguments)
    lines, began = Lines(at.line), process_time()
    if at.seconds is not None:
        signal.setitimer(signal.ITIMER_PROF, at.seconds)
    sys.settrace(lines.enter)
    work()
    sys.settrace(None)
    signal.setitimer(signal.ITIMER_PROF, 0)
    if report is not None:
        report.send(Length(len(lines.seen), process_time() - began))
