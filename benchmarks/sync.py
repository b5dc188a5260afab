"""A table that was there before, into an empty store, and everything that a sync is for.

The items bring their vectors, 256 floats in an attribute. First the whole table is taken in while
edits go on; then a sync of what is in step; then of a store of which one in a hundred embeddings
was damaged; at last one that is stopped five times, after a rollback to the first version.
"""

import threading
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Any

from benchmarks.cloud_app import RunFailed
from benchmarks.function_logs import FunctionLogs
from benchmarks.items_app.deployed import TABLE, ItemsSession, items_app
from benchmarks.items_app.items import COLLECTION, WIDTH, id_of, item
from benchmarks.live_edits import Edits, going_on
from benchmarks.measure import Figures
from benchmarks.report import Report, at_least, at_most
from benchmarks.stage import Stage
from benchmarks.wire_usage import CountingProxy
from instep.cli.output import remarks
from instep.cli.sync import Result, through
from instep.cli.syncing import find_or_start, heads_of
from instep.flow.lease import LeaseTable
from instep.memory import peak_memory_mb
from instep.snapshot.acts.publish import publish
from instep.snapshot.acts.rollback import rollback
from instep.snapshot.acts.workspace import open_workspace
from instep.snapshot.copy.inventory import version_files
from instep.snapshot.copy.reader import Snapshot, open_snapshot

SIZE = 20_000
RATE = 5.0
STOPS = 5
CONTEXT = {"roundSeconds": "2"}

_HOURS = 3_600.0
TARGETS = {
    "live_p95_s": at_most(10),
    "live_never_visible": at_most(0),
    "second_versions": at_most(0),
    "second_written": at_most(0),
    "repaired_exactly": at_least(1),
    "stopped_complete": at_least(1),
    "in_step": at_least(1),
}


def run(stage: Stage, size: int = SIZE) -> Report:
    """Return the figures of all four, each told when it is over: a large table takes an hour."""
    with CountingProxy() as proxy, ExitStack() as ending:
        session = ending.enter_context(items_app(stage.scratch, size, CONTEXT, proxy))
        figures: Figures = {"items": size}
        for part in (
            partial(_first, session, size, proxy),
            partial(_second, session),
            partial(_damaged, session, size, stage.scratch / "damage"),
            partial(_stopped, session, size),
        ):
            found = part()
            remarks.print(found)
            figures |= found
    workload = f"{size:,} items x {WIDTH} floats, rounds 2 s apart, {RATE:g} edits a second"
    return Report("sync", workload, figures, TARGETS)


def _first(session: ItemsSession, size: int, proxy: CountingProxy) -> Figures:
    """Take the table in while edits go on."""
    readers: list[Snapshot] = []

    def look(things: Any) -> dict[int, int]:
        if not readers:
            if session.store.head() is None:
                return {}
            readers.append(open_snapshot(session.objects, COLLECTION))
        readers[0].refresh()
        got: Any = readers[0].collection.get(ids=[id_of(one) for one in things])
        numbers = (int(id_.partition("#")[2]) for id_ in got["ids"])
        return dict(zip(numbers, (one["price"] for one in got["metadatas"]), strict=True))

    def write(thing: int, number: int) -> None:
        session.dynamodb.put_item(TableName=TABLE, Item=item(thing, number))

    edits = Edits(RATE, size, write, look)
    before = len(proxy.uses)
    with going_on(edits):
        began = monotonic()
        result = through(session, [COLLECTION], _HOURS, lambda _: None)
        whole = monotonic() - began
    made = proxy.uses[before:]
    for reader in readers:
        reader.close()
    if result.followed is None:
        raise RunFailed("nothing was followed")
    return {
        "sync_s": round(result.seconds, 1),
        "items_per_s": round(size / result.seconds),
        "requests_per_item": round(len(made) / size, 3),
        "read_units_per_item": round(
            sum(use.amount for use in made if use.item == "dynamodb_read") / size, 3
        ),
        "proved_s": round(whole, 1),
        "items_seen": result.followed.seen,
        "versions": _versions(result),
        "in_step": int(result.in_step),
        "bench_peak_mb": round(peak_memory_mb()),
        **_functions(FunctionLogs(session.target)),
        **edits.figures(),
    }


def _functions(logs: FunctionLogs) -> Figures:
    """Return how many seconds each function has worked in all, in how many calls, and its peak."""
    figures: Figures = {}
    calls = logs.calls()
    for name, peak in logs.peaks().items():
        mine = [call.fields["ms"] / 1_000 for call in calls if call.function == name]
        figures |= {f"{name}_s": round(sum(mine), 1), f"{name}_calls": len(mine)}
        figures[f"{name}_peak_mb"] = peak
    return figures


def _second(session: ItemsSession) -> Figures:
    """Go through what is in step."""
    heads = heads_of(session, [COLLECTION])
    result = through(session, [COLLECTION], _HOURS, lambda _: None)
    return {
        "second_s": round(result.seconds, 1),
        "second_versions": _versions(result),
        "second_written": sum(_counts(result).values()),
        "second_same_head": int(heads_of(session, [COLLECTION]) == heads),
    }


def _damaged(session: ItemsSession, size: int, folder: Any) -> Figures:
    """Damage a quarter of one in a hundred in each of four ways, and have it repaired."""
    each = max(1, size // 400)
    leases = LeaseTable(session.dynamodb, session.deployment.lock_table_name, timedelta(minutes=10))
    lease = leases.acquire(COLLECTION, "damage", "damage")
    with open_workspace(
        session.store, folder, spec=session.domain.collections[COLLECTION]
    ) as workspace:
        held: Any = workspace.client.get_collection(COLLECTION, embedding_function=None)
        held.upsert(
            ids=[id_of(at) for at in range(each)],
            embeddings=[[9.0] * WIDTH] * each,
            metadatas=[{"instep_vector": "of something else"}] * each,
        )
        held.update(
            ids=[id_of(at) for at in range(each, 2 * each)], metadatas=[{"price": -1}] * each
        )
        held.delete(ids=[id_of(at) for at in range(2 * each, 3 * each)])
        held.add(
            ids=[f"SURPLUS#{at}" for at in range(each)],
            embeddings=[[9.0] * WIDTH] * each,
            metadatas=[{"name": "of nobody"}] * each,
        )
        staged = workspace.stage("damage", lease.fencing_token, None, {})
    publish(session.store, staged, lease, leases)
    leases.release(lease)
    result = through(session, [COLLECTION], _HOURS, lambda _: None)
    counts = _counts(result)
    wanted = {"added": each, "updated": 2 * each, "deleted": each}
    return {
        "damaged": 4 * each,
        "repair_s": round(result.seconds, 1),
        **{f"repair_{name}": counts.get(name, 0) for name in wanted},
        "repaired_exactly": int({name: counts.get(name, 0) for name in wanted} == wanted),
        "repair_in_step": int(result.in_step),
    }


def _stopped(session: ItemsSession, size: int) -> Figures:
    """Roll back to the first version, and stop the sync five times before it may come through."""
    oldest = min(version_files(session.store), key=lambda file: file.written).version
    rollback(session.store, oldest, "bench")
    pause, stepfunctions = threading.Event(), session.stepfunctions
    stopped = 0
    for at in range(STOPS):
        arn, _ = find_or_start(session, [COLLECTION])
        pause.wait(1.0 + at)
        if stepfunctions.describe_execution(executionArn=arn)["status"] == "RUNNING":
            stepfunctions.stop_execution(executionArn=arn)
            stopped += 1
    result = through(session, [COLLECTION], _HOURS, lambda _: None)
    complete = result.in_step and result.reading.compared[COLLECTION] == size
    return {"stopped": stopped, "stopped_s": round(result.seconds, 1), "stopped_complete": complete}


def _versions(result: Result) -> int:
    return sum(one.versions for one in (result.written or {}).values())


def _counts(result: Result) -> dict[str, int]:
    return dict((result.written or {})[COLLECTION].counts)
