"""A process that reads hostile inputs and may die of one: its memory is bounded, and it says which.

It is told ranges of inputs over a pipe and answers each with a tally. The number of the input at
work and when it began stand in memory that its parent reads, whatever became of it.
"""

import ctypes
import logging
import os
import resource
from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any, Final

from benchmarks.hostile.boundary import Boundary
from benchmarks.hostile.trial import Tally, try_one

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

MODULES: Final = (
    "benchmarks.hostile.messages",
    "benchmarks.hostile.set_aside",
    "benchmarks.hostile.deltas",
    "benchmarks.hostile.store",
    "benchmarks.hostile.imports",
)
MEMORY: Final = 500 << 20  # bytes that reading an input may take
_SAMPLES: Final = 20  # inputs to measure a boundary by
_SAMPLE_SECONDS: Final = 1.0
_ARENAS: Final = (-8, 2)  # mallopt: each further arena would claim 64 MB it does not use


@dataclass(frozen=True)
class Work:
    """Inputs of one boundary, from `start` up to `stop`."""

    boundary: str
    start: int
    stop: int


def every_boundary(scratch: Path, modules: Sequence[str] = MODULES) -> dict[str, Boundary]:
    """Return the boundaries of the modules by name; valid inputs are written in `scratch`."""
    found: dict[str, Boundary] = {}
    for module in modules:
        folder = scratch / module
        folder.mkdir()
        made: list[Boundary] = import_module(module).boundaries(folder)
        found |= {boundary.name: boundary for boundary in made}
    return found


def work(
    pipe: "Connection[Any, Any]", now: MutableSequence[float], seed: int, modules: Sequence[str]
) -> None:
    """Serve until the pipe says None; the first answer is what an input costs, by boundary."""
    logging.disable(logging.WARNING)  # what is set aside would be a line each
    ctypes.CDLL(None).mallopt(*_ARENAS)
    with TemporaryDirectory(prefix="instep-hostile-") as scratch:
        boundaries = every_boundary(Path(scratch), modules)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where chromadb's threads report their panics
        pipe.send({name: _cost(boundary, seed) for name, boundary in boundaries.items()})
        _bound_memory()
        while (task := pipe.recv()) is not None:
            pipe.send(_tally(boundaries[task.boundary], task, now, seed))


def _tally(boundary: Boundary, task: Work, now: MutableSequence[float], seed: int) -> Tally:
    tally, before = Tally(boundary.name), _peak()
    for index in range(task.start, task.stop):
        now[0], now[1] = index, monotonic()
        tally.note(try_one(boundary, seed, index))
        tally.note_memory((_peak() - before) / 1024, index)
    return tally


def _cost(boundary: Boundary, seed: int) -> float:
    """Return the seconds an input takes, by a few that are counted nowhere."""
    began = perf_counter()
    for number in range(1, _SAMPLES + 1):
        try_one(boundary, seed, -number)
        if perf_counter() - began > _SAMPLE_SECONDS:
            break
    return (perf_counter() - began) / number


def _bound_memory() -> None:
    """Fail what would take more, instead of letting the machine find out."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _peak() -> int:
    """Return the most memory the process has ever had, in KB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
