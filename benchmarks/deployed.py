"""A whole deployed run over a large snapshot: time a state, bytes, and each function's peak memory.

The real state machine, functions in processes of their own, on the local cloud; the snapshot is the
predecessor's, imported. The predecessor's own run of this size is in docs/domain.md: 19 seconds.
"""

from collections.abc import Iterator, Sequence

from benchmarks.cloud_app import CloudApp, CloudRun
from benchmarks.items import Item, item, label
from benchmarks.measure import Figures, milliseconds
from benchmarks.report import Report
from benchmarks.stage import Stage
from benchmarks.workload import COLLECTION, Shape, Workload
from instep.aws.objects import Objects
from instep.local.deploy import deploy
from instep.local.environment import client_environment
from instep.local.target import Target
from instep.snapshot.acts.importing import Request, import_snapshot
from instep.snapshot.copy.store import SnapshotStore
from receipt_demo.producer import write_delta

SIZE = 70_000
ADDED = 500  # more than the 300 pending vectors at which a fold is due

_PASSED = 0.002  # seconds: a state that calls no function takes less, and says nothing


def run(stage: Stage, size: int = SIZE, added: int = ADDED, shape: Shape = Workload) -> Report:
    """Deploy the app on the stage's cloud and return the figures of its runs."""
    target = Target(client_environment(stage.endpoint.url), local=True)
    return measure(stage, CloudApp(target, deploy(target)), shape(size), added)


def measure(stage: Stage, app: CloudApp, workload: Workload, added: int) -> Report:
    """Return the figures of three runs of a deployed app: labels cold and warm, then new words."""
    app.quiet()
    source = Objects(stage.endpoint.s3(), stage.predecessor(workload).bucket)
    store = SnapshotStore(app.objects, COLLECTION)
    # Its index is of our own making, and so are its ids.
    request = Request(source, writer="bench", reading=None, identify=lambda _: {})
    imported = import_snapshot(store, request, stage.scratch)
    words = list(workload.edits("scattered", 0))
    app.put(list(_of_words(words)))
    app.discard()  # that they arrived is no news here, and draining it would warm the functions
    figures: Figures = {"snapshot_bytes": imported.bytes, "embeddings": imported.embeddings}
    for name, status in (("labels_cold", "PENDING"), ("labels_warm", "VALID")):
        app.put([label(word, "bench", status) for word in words])
        figures |= _spelt(name, app.run())
    app.put(_arrival(app, workload, added))
    figures |= _spelt("new_words", app.run())
    for name, peak in app.logs.peaks().items():
        figures |= {
            f"peak_memory_mb_{name}": peak,
            f"memory_setting_mb_{name}": app.logs.functions[name]["MemorySize"],
        }
    return Report(
        "deployed",
        f"{workload.size:,} words x {workload.width:,} random floats; a run labels "
        f"{len(words):,} of them, first with cold functions, then warm; a third merges {added:,}",
        figures,
        {},
    )


def _spelt(name: str, run: CloudRun) -> Figures:
    states = {
        f"{name}_{state}_ms": milliseconds(took)
        for state, took in run.states.items()
        if took > _PASSED
    }
    return {
        f"{name}_ms": milliseconds(run.seconds),
        f"{name}_bytes_down": run.down,
        f"{name}_bytes_up": run.up,
        **states,
    }


def _arrival(app: CloudApp, workload: Workload, added: int) -> list[Item]:
    """Store a delta of new words; return their items, and last the run that announces it."""
    words = workload.words(workload.size, added)
    prefix = f"{COLLECTION}/delta/bench/"
    write_delta(
        app.objects.client,
        app.objects.bucket,
        prefix,
        COLLECTION,
        words.ids,
        words.embeddings,
        words.metadatas,
        words.documents,
    )
    receipt = words.ids[0].partition("#LINE#")[0]
    announced = {f"{COLLECTION}_delta_prefix": prefix, f"{COLLECTION}_state": "PENDING"}
    run = item(receipt, "#COMPACTION_RUN#bench", "COMPACTION_RUN", run_id="bench", **announced)
    return [*_of_words(words.ids), run]


def _of_words(words: Sequence[str]) -> Iterator[Item]:
    """Yield the items without which these words would have no embedding: their receipts' too."""
    for receipt in dict.fromkeys(word.partition("#LINE#")[0] for word in words):
        yield item(receipt, "", "RECEIPT")
    yield from (item(word, "", "RECEIPT_WORD") for word in words)
