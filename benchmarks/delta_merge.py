"""What merging new vectors costs: until a reader can see them, and until no reader replays them.

Every run starts from the same collection. Unpacking the delta is the same work on either side and
is left out. The predecessor's index is up to date when it is done; Instep's after the fold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.measure import Figures, Run, Side, interleave, median_run, ratio, spell
from benchmarks.predecessor import Predecessor
from benchmarks.report import Report, at_least, at_most
from benchmarks.stage import Stage
from benchmarks.workload import Shape, Workload

SIZE = 20_000
ADDED = (200, 2_000)
ROUNDS = 3
TARGETS = {
    "speedup_200": at_least(6),
    "speedup_2000_visible": at_least(2.5),
    "speedup_2000_folded": at_least(1.0),
    "bytes_up_share_2000": at_most(0.25),
}


def run(
    stage: Stage,
    size: int = SIZE,
    added: Sequence[int] = ADDED,
    rounds: int = ROUNDS,
    shape: Shape = Workload,
) -> Report:
    """Return the figures of every number of new words; the last is folded, the first ones not."""
    workload = shape(size)
    base = stage.base(workload)
    before = stage.predecessor(workload)
    folds = _Folds([], [])
    sides: dict[str, Side] = {}
    for count in added:
        sides[f"predecessor_{count}"] = partial(_merge_before, before, workload, count)
        folded = folds if count == added[-1] else None
        sides[f"instep_{count}"] = partial(_merge, stage, base, workload, count, folded)
    medians = {name: median_run(runs) for name, runs in interleave(sides, rounds).items()}
    return Report(
        "delta_merge",
        f"{workload.describe().partition(';')[0]}; new words merged: {_listed(added)}, the last "
        f"then folded",
        _figures(added, medians, median_run(folds.warm), median_run(folds.cold)),
        TARGETS,
    )


def _merge_before(before: Predecessor, workload: Workload, count: int, number: int) -> Run:
    return before.add_words(workload.words(workload.size + number * count, count))


@dataclass(frozen=True)
class _Folds:
    """What folds took: of a function that folded the version before, and of one with nothing."""

    warm: list[Run]
    cold: list[Run]


def _merge(
    stage: Stage, base: str, workload: Workload, count: int, folds: _Folds | None, number: int
) -> Run:
    """Merge into a copy of the base; with `folds`, fold it then, and note what both folds take."""
    side = stage.instep(stage.copy(base))
    side.warm_up()
    before = side.store.head()
    run = side.add_words(workload.words(workload.size + number * count, count)).run
    if folds is not None and before is not None:
        merged = side.head()
        folds.warm.append(side.fold(side.store.manifest(before.version)).run)
        side.rewind(merged)
        folds.cold.append(side.fold().run)
    return run


def _figures(added: Sequence[int], runs: dict[str, Run], fold: Run, cold: Run) -> Figures:
    figures: Figures = {}
    for count in added:
        then, visible = runs[f"predecessor_{count}"], runs[f"instep_{count}"]
        figures |= {
            f"speedup_{count}_visible": ratio(then.seconds, visible.seconds),
            f"bytes_up_share_{count}_visible": ratio(visible.up, then.up),
        }
    few, many = added[0], added[-1]  # few are left pending: no fold is due
    then, visible = runs[f"predecessor_{many}"], runs[f"instep_{many}"]
    figures |= {
        f"speedup_{few}": figures[f"speedup_{few}_visible"],
        f"speedup_{many}_folded": ratio(then.seconds, visible.seconds + fold.seconds),
        f"speedup_{many}_folded_cold": ratio(then.seconds, visible.seconds + cold.seconds),
        f"bytes_up_share_{many}": ratio(visible.up + fold.up, then.up),
    }
    folded = {f"instep_{many}_fold": fold, f"instep_{many}_fold_cold": cold}
    for name, taken in {**runs, **folded}.items():
        figures |= spell(name, taken)
    return figures


def _listed(counts: Sequence[int]) -> str:
    return " and ".join(f"{count:,}" for count in counts)
