"""The apply step (read what is carried, write what differs) against Chroma's one raw call.

In one process, on two writers' copies of the same snapshot: no table, no staging, nothing kept.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.measure import Figures, Run, interleave, measured, median_run, milliseconds, ratio
from benchmarks.ours import write
from benchmarks.papers import WIDTH
from benchmarks.report import at_most
from benchmarks.stage import Stage
from benchmarks.traffic import Uncounted
from benchmarks.workload import COLLECTION, Fields, Workload
from instep.chroma.collection import CHUNK, get_collection, read
from instep.difference import Wanted
from instep.snapshot.acts.workspace import Workspace, open_workspace
from instep.snapshot.copy.store import SnapshotStore

TARGETS = {"apply_vs_raw": at_most(1.2)}

_ROUNDS = 5


def measure(stage: Stage, updates: int) -> Figures:
    """Return the step's time as a share of the raw calls', of the same edits on the same words.

    Raw: `update` with the final metadata whole, as who has not read what is carried writes it; and
    with the changed fields alone, which nobody knows without having read.
    """
    workload = Workload(updates, width=WIDTH, updates=updates)
    store = stage.instep(stage.base(workload)).store
    roots = {side: stage.scratch / f"apply-{side}" for side in ("step", "raw", "fields")}

    def run(side: str, number: int) -> Run:
        return _side(side, store, roots[side], workload.edits("scattered", number))

    runs = interleave({side: partial(run, side) for side in roots}, _ROUNDS)
    step, raw, fields = (median_run(runs[side]) for side in roots)
    return {
        "apply_vs_raw": ratio(step.seconds, raw.seconds),
        "apply_vs_raw_changed_fields": ratio(step.seconds, fields.seconds),
        "apply_step_ms": milliseconds(step.seconds),
        "apply_raw_ms": milliseconds(raw.seconds),
        "apply_raw_changed_fields_ms": milliseconds(fields.seconds),
    }


def _side(side: str, store: SnapshotStore, root: Path, edits: Mapping[str, Fields]) -> Run:
    with open_workspace(store, root) as workspace:
        if side == "step":
            wanted = {word: Wanted(fields) for word, fields in edits.items()}
            return measured(Uncounted(), lambda _: write(workspace, wanted))
        ids, metadatas = list(edits), list(edits.values())
        if side == "raw":
            carried = read(get_collection(workspace.client, COLLECTION), ids=ids)
            metadatas = [{**carried[word].metadata, **edits[word]} for word in ids]  # type: ignore[dict-item]
        return measured(Uncounted(), lambda _: _raw(workspace, ids, metadatas))


def _raw(workspace: Workspace, ids: Sequence[str], metadatas: Sequence[Fields]) -> None:
    collection = get_collection(workspace.client, COLLECTION)
    for start in range(0, len(ids), CHUNK):
        chunk = slice(start, start + CHUNK)
        collection.update(ids=list(ids[chunk]), metadatas=list(metadatas[chunk]))
