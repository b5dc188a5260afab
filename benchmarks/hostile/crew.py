"""Several workers at one list of tasks; who dies or hangs is named by its input and replaced."""

import multiprocessing
import queue
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from benchmarks.hostile.trial import Outcome, Tally
from benchmarks.hostile.worker import MODULES, Work, work

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

HUNG: Final = 60.0  # seconds of waiting after which an input will not end
_LOOK: Final = 1.0
_SPAWN: Final = multiprocessing.get_context("spawn")


class Crew:
    """Processes of one seed, ready to work; `costs` are seconds an input, by boundary."""

    def __init__(
        self,
        processes: int,
        seed: int,
        modules: Sequence[str] = MODULES,
        hung: float = HUNG,
    ) -> None:
        self._hire = partial(_Worker, seed, modules, hung)
        self._idle: queue.Queue[_Worker] = queue.Queue()
        with ThreadPoolExecutor(processes) as threads:
            workers = list(threads.map(lambda _: self._hire(), range(processes)))
        self.costs = workers[0].costs
        self._processes = processes
        for worker in workers:
            self._idle.put(worker)

    def __enter__(self) -> "Crew":
        """Work until the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Send everybody home."""
        while not self._idle.empty():
            self._idle.get().end()

    def run(self, tasks: Sequence[Work]) -> Iterator[Tally]:
        """Yield what came of the tasks, as they end."""
        with ThreadPoolExecutor(self._processes) as threads:
            for tallies in threads.map(self._one, tasks):
                yield from tallies

    def _one(self, task: Work) -> Iterable[Tally]:
        """Do a task; around an input that kills its worker, with another one."""
        worker, waiting, done = self._idle.get(), [task], []
        try:
            while waiting:
                part = waiting.pop()
                answer = worker.do(part)
                if isinstance(answer, Tally):
                    done.append(answer)
                    continue
                died = Tally(part.boundary)
                died.note(answer)
                done.append(died)
                rest = Work(part.boundary, answer.index + 1, part.stop)
                waiting += [rest, Work(part.boundary, part.start, answer.index)]
                worker = self._hire()
        finally:
            self._idle.put(worker)
        return done


class _Worker:
    """One process; `do` outlives it."""

    def __init__(self, seed: int, modules: Sequence[str], hung: float) -> None:
        self._hung = hung
        self._now: Any = _SPAWN.RawArray("d", 2)
        ours, theirs = _SPAWN.Pipe()
        self._pipe: Connection[Any, Any] = ours
        self._process = _SPAWN.Process(
            target=work, args=(theirs, self._now, seed, modules), daemon=True
        )
        self._process.start()
        theirs.close()
        self.costs: dict[str, float] = self._pipe.recv()

    def do(self, task: Work) -> Tally | Outcome:
        """Return the tally of a task, or what became of the input that ended the process."""
        self._now[0], self._now[1] = task.start, monotonic()
        self._pipe.send(task)
        hung = False
        with suppress(EOFError, ConnectionError):
            while not hung:
                if self._pipe.poll(_LOOK):
                    tally: Tally = self._pipe.recv()
                    return tally
                hung = monotonic() - self._now[1] > self._hung
        index, seconds = int(self._now[0]), monotonic() - self._now[1]
        self.end()
        end = "hung" if hung else f"died ({self._process.exitcode})"
        return Outcome(task.boundary, index, end, seconds, "the process is gone")

    def end(self) -> None:
        """Let it go home, or make it."""
        with suppress(OSError):
            self._pipe.send(None)
        self._process.join(_LOOK)
        if self._process.exitcode is None:
            self._process.kill()
        self._process.join()
        self._pipe.close()
