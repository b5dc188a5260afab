"""Ten thousand versions of one collection, folded when that is due: a manifest names what lies
since a base, and nothing of what was before, so that it does not grow with history.
"""

from dataclasses import replace
from uuid import uuid4

from benchmarks.endpoint import empty_bucket
from benchmarks.measure import Figures, milliseconds
from benchmarks.report import Report, at_most
from benchmarks.stage import Stage
from benchmarks.workload import NARROW, Shape
from instep.snapshot.acts.folding import needs_fold

VERSIONS = 10_000
SIZE = 1_000
TARGETS = {"last_to_first_kb": at_most(1.1)}


def run(stage: Stage, rounds: int = VERSIONS, size: int = SIZE, shape: Shape = NARROW) -> Report:
    """Return the manifest's size over `rounds` versions, each of one edit."""
    bucket = f"versions-{uuid4().hex}"
    empty_bucket(stage.endpoint.s3(), bucket)
    side, workload = stage.instep(bucket), replace(shape(size), updates=1)
    side.add_words(workload.words(0, size))
    kilobytes: list[float] = []
    seconds: list[float] = []
    folds = 0
    for number in range(rounds):
        seconds.append(side.update_labels(workload.edits("scattered", number)).run.seconds)
        manifest = side.manifest()
        kilobytes.append(len(manifest.to_bytes()) / 1_024)
        if needs_fold(manifest):
            side.fold()
            folds += 1
    tenth = max(1, rounds // 10)
    first, last = max(kilobytes[:tenth]), max(kilobytes[-tenth:])
    figures: Figures = {
        "versions": rounds + folds + 1,
        "folds": folds,
        "first_kb": round(first, 1),
        "last_kb": round(last, 1),
        "last_to_first_kb": round(last / first, 3),
        "first_edit_ms": milliseconds(sum(seconds[:tenth]) / tenth),
        "last_edit_ms": milliseconds(sum(seconds[-tenth:]) / tenth),
    }
    return Report(
        "versions",
        f"{rounds:,} edits of one word in {size:,}, a version each; the largest manifest of the "
        f"first and of the last tenth, and the mean edit",
        figures,
        TARGETS,
    )
