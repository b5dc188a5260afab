"""Whether a run's cost follows the change or the collection: the same 500 edits on ever more words.

A process a size and side, so that its peak memory is its own; the runs of all of them interleave,
and each of ours starts from the same version.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from statistics import median

from benchmarks.growth_worker import Answer, Worker
from benchmarks.measure import Figures, Run, Side, exponent, interleave, median_run, short, spell
from benchmarks.report import Report, at_most
from benchmarks.stage import Stage
from benchmarks.workload import Shape, Workload

SIZES = (5_000, 10_000, 20_000, 40_000, 80_000)
ROUNDS = 7
TARGETS = {
    "time_exponent": at_most(0.2),
    "bytes_exponent": at_most(0.1),
    "publish_exponent": at_most(0.1),
    "publish_held_ms": at_most(50),
}
_PREDECESSOR_ROUNDS = 2  # seconds each, and its slope is plain


def run(
    stage: Stage, sizes: Sequence[int] = SIZES, rounds: int = ROUNDS, shape: Shape = Workload
) -> Report:
    """Return the fitted exponents over `sizes`, and what each size took."""
    workloads = [shape(size) for size in sizes]
    with ExitStack() as stack:
        ours = [
            stack.enter_context(Worker("instep", stage, stage.base(workload), workload))
            for workload in workloads
        ]
        theirs = [
            stack.enter_context(
                Worker("predecessor", stage, stage.predecessor(workload).bucket, workload)
            )
            for workload in workloads
        ]
        answers: dict[Worker, list[Answer]] = {worker: [] for worker in ours + theirs}
        interleave(
            _sides(ours, answers) | _sides(theirs, answers), min(rounds, _PREDECESSOR_ROUNDS)
        )
        further = max(0, rounds - _PREDECESSOR_ROUNDS)
        interleave(_sides(ours, answers), further, first=_PREDECESSOR_ROUNDS)
    return Report(
        "growth",
        f"{workloads[0].describe().partition('; ')[2]} scattered over {sizes[0]:,} to "
        f"{sizes[-1]:,} words x {workloads[0].width:,} random floats; warm writer",
        _figures(sizes, [answers[worker] for worker in ours], [answers[w] for w in theirs]),
        TARGETS,
    )


def _sides(workers: Sequence[Worker], answers: dict[Worker, list[Answer]]) -> dict[str, Side]:
    def ask(worker: Worker, number: int) -> Run:
        answer = worker.ask(number)
        answers[worker].append(answer)
        return answer.run

    return {worker.name: partial(ask, worker) for worker in workers}


def _figures(
    sizes: Sequence[int], ours: Sequence[list[Answer]], theirs: Sequence[list[Answer]]
) -> Figures:
    runs = [median_run([answer.run for answer in answers]) for answers in ours]
    then = [median_run([answer.run for answer in answers]) for answers in theirs]
    held = [median(answer.held_ms for answer in answers) for answers in ours]
    peaks = [max(answer.peak_mb for answer in answers) for answers in ours]
    moved = [run.up + run.down for run in runs]
    upper = (len(sizes) - 1) // 2  # few edits meet on a page from here on
    figures: Figures = {
        "time_exponent": exponent(sizes, [run.seconds for run in runs]),
        "bytes_exponent": exponent(sizes, moved),
        f"bytes_exponent_from_{short(sizes[upper])}": exponent(sizes[upper:], moved[upper:]),
        "publish_exponent": exponent(sizes, held),
        "publish_held_ms": max(held),
        "peak_memory_exponent": exponent(sizes, peaks),
        "predecessor_time_exponent": exponent(sizes, [run.seconds for run in then]),
        "predecessor_bytes_exponent": exponent(sizes, [run.up + run.down for run in then]),
    }
    for at, size in enumerate(map(short, sizes)):
        figures |= {
            f"publish_held_ms_{size}": held[at],
            f"peak_memory_mb_{size}": peaks[at],
            f"predecessor_peak_memory_mb_{size}": max(answer.peak_mb for answer in theirs[at]),
            **spell(f"instep_{size}", runs[at]),
            **spell(f"predecessor_{size}", then[at]),
        }
    return figures
