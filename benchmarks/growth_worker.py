"""One size and side of `growth` in a process of its own, with a peak memory of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.endpoint import Endpoint
from benchmarks.measure import Run
from benchmarks.ours import Instep
from benchmarks.predecessor import Predecessor
from benchmarks.stage import Stage
from benchmarks.workload import Workload
from instep.memory import peak_memory_mb

_GRACE_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    """A run's cost, how long publish held the lock (0 for the predecessor), peak memory so far."""

    run: Run
    held_ms: float
    peak_mb: float


class WorkerDied(Exception):
    """The process ended before it answered; what it printed stands above."""


class Worker:
    """The parent's end: starts the process with the block, ends it with the block."""

    def __init__(
        self, side: Literal["instep", "predecessor"], stage: Stage, bucket: str, workload: Workload
    ) -> None:
        self.name = f"{side}_{workload.size}"
        self._request = {
            "side": side,
            "endpoint": stage.endpoint.url,
            "bucket": bucket,
            "scratch": str(stage.scratch / f"worker-{self.name}"),
            "workload": asdict(workload),
        }

    def __enter__(self) -> "Worker":  # noqa: D105 - the class says it
        self._process = subprocess.Popen(  # noqa: S603 - this module
            [sys.executable, "-m", __name__, json.dumps(self._request)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        return self

    def __exit__(self, *_: object) -> None:  # noqa: D105
        self._process.communicate(timeout=_GRACE_SECONDS)  # its standard input ends, so does it

    def ask(self, number: int) -> Answer:
        """Let it do the run of that number."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise WorkerDied(self.name)
        stdin.write(f"{number}\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise WorkerDied(self.name)
        answer = json.loads(line)
        return Answer(Run(**answer["run"]), answer["held_ms"], answer["peak_mb"])


def main() -> None:
    """Answer a line of JSON for every run number that comes in."""
    request = json.loads(sys.argv[1])
    do = _worker(request, Workload(**request["workload"]))
    for line in sys.stdin:
        run, held_ms = do(int(line))
        sys.stdout.write(json.dumps(asdict(Answer(run, held_ms, peak_memory_mb()))) + "\n")
        sys.stdout.flush()


def _worker(request: dict[str, Any], workload: Workload) -> Callable[[int], tuple[Run, float]]:
    endpoint, scratch = Endpoint(request["endpoint"]), Path(request["scratch"])
    if request["side"] == "predecessor":
        before = Predecessor(endpoint.s3(), request["bucket"], scratch)
        return lambda number: (before.update_labels(workload.edits("scattered", number)), 0.0)
    locks = endpoint.dynamodb(), endpoint.lock_table()
    ours = Instep(endpoint.s3(), request["bucket"], locks, scratch)
    ours.warm_up()
    head = ours.head()

    def update(number: int) -> tuple[Run, float]:
        published = ours.update_labels(workload.edits("scattered", number))
        ours.rewind(head)  # few words and many runs would else edit the same words again
        return published.run, published.held_ms

    return update


if __name__ == "__main__":
    main()
