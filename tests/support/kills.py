"""A child that the kernel ends at a chosen moment of its work: no handler runs, nothing is closed.

Most moments are counted: first visits of the engine's lines, or file operations, so that a moment
is the same place in every run. SQLite and the index work inside one line; those moments are counted
in the processor time of the run, which a busy machine does not stretch, or in the bytes of the file
that they write.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from time import process_time
from types import FrameType
from typing import Any, Final, TypeAlias

import instep
from tests.support.file_operations import Operations, Turn, turns, watched
from tests.support.processes import FORKED

_ENGINE: Final = str(Path(next(iter(instep.__path__))))


Run: TypeAlias = Callable[..., Callable[[], None]]
"""Prepares, in the child, and returns the work during which it may end; the first Path among its
arguments is the folder that it works in.
"""


@dataclass(frozen=True)
class Length:
    """How long a run is: lines of the engine it visits, seconds of processor time, and operations
    on files.
    """

    lines: int
    seconds: float
    operations: list[Turn]


@dataclass(frozen=True)
class Moment:
    """When to end: at the first visit of so many lines, after so many seconds, at an operation on
    files, or at the first write beyond so many bytes of any file.
    """

    line: int | None = None
    seconds: float | None = None
    operation: Turn | None = None
    size: int | None = None


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
    assert code in {0, -signal.SIGKILL, -signal.SIGPROF, -signal.SIGXFSZ}, f"exit code {code}"
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
    root = next(one for one in arguments if isinstance(one, Path))
    operations = Operations(root, at.operation)
    with ExitStack() as watching:
        if at.operation is not None or report is not None:
            watching.enter_context(watched(operations))
        if at.seconds is not None:
            signal.setitimer(signal.ITIMER_PROF, at.seconds)
        if at.size is not None:
            _end_beyond(at.size)
        if at.line is not None or report is not None:
            sys.settrace(lines.enter)
        work()
    sys.settrace(None)
    signal.setitimer(signal.ITIMER_PROF, 0)
    if report is not None:
        report.send(Length(len(lines.seen), process_time() - began, turns(operations.done)))


def _end_beyond(size: int) -> None:
    """Let the kernel end this process, with no core, where any file would grow beyond a size."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python has it ignored
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
