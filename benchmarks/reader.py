"""What a reader waits for: the first open of the head, a query, a refresh; and what a peer takes.

Cold: nothing of the snapshot is on this machine; warm: the kept copy of the reader before. Both are
timed until a first query is answered, which is when chromadb has read the index. A query is asked
of the snapshot and of plain chromadb on the same files in turns: what lies between is what being a
snapshot costs. LanceDB reads the same S3, without a vector index (exact) and with one; how many of
the ten nearest each finds stands beside its time, for these floats are random: no index likes them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from uuid import uuid4

import numpy as np

from benchmarks import lance, source
from benchmarks.endpoint import empty_bucket
from benchmarks.lance import Lance, LanceReader, missing
from benchmarks.measure import (
    Figures,
    Run,
    Stopwatch,
    interleave,
    measured,
    median_run,
    milliseconds,
    percentile,
    short,
    spell,
)
from benchmarks.report import Report, at_most
from benchmarks.source import normal_client
from benchmarks.stage import Stage
from benchmarks.traffic import ClientTraffic, Uncounted
from benchmarks.workload import COLLECTION, Floats, Shape, Workload
from instep.aws.objects import Objects
from instep.snapshot.copy.pulled import pull
from instep.snapshot.copy.reader import Snapshot, open_snapshot

SIZES = (20_000, 80_000)
ROUNDS = 3
QUERIES = 200
_WARM_UP = 20  # queries nobody times
_NEAREST = 10
TARGETS = {"overhead_percent_20k": at_most(5), "overhead_percent_80k": at_most(5)}

Ask = Callable[[Sequence[float]], list[str]]
"""Asks for the nearest of a vector; returns their ids, nearest first."""


def run(
    stage: Stage,
    sizes: Sequence[int] = SIZES,
    rounds: int = ROUNDS,
    queries: int = QUERIES,
    shape: Shape = Workload,
) -> Report:
    """Return the figures of every size; LanceDB takes part where it is installed."""
    left_out = missing()
    workloads = [shape(size) for size in sizes]
    figures: Figures = {}
    for workload in workloads:
        figures |= _measure(stage, workload, rounds, queries, peer=not left_out)
    return Report(
        "reader",
        f"{workloads[0].describe()}; {queries} queries for the {_NEAREST} nearest of a vector",
        figures,
        TARGETS,
        left_out,
    )


def _measure(stage: Stage, workload: Workload, rounds: int, queries: int, *, peer: bool) -> Figures:
    size = short(workload.size)
    bucket = stage.copy(stage.base(workload))
    asked = _vectors(workload, queries + _WARM_UP)
    kept = stage.scratch / f"kept-{uuid4().hex}"
    openings = {
        "open_cold": lambda _: _opened(stage, bucket, None, asked[0]),
        "open_warm": lambda _: _opened(stage, bucket, kept, asked[0]),
    }
    _opened(stage, bucket, kept, asked[0])  # fills it
    runs = {name: median_run(taken) for name, taken in interleave(openings, rounds).items()}
    figures = _refreshes(stage, bucket, workload, asked[0], rounds)
    answered = _queries(stage, bucket, asked)
    if peer:
        opened, theirs = _lance(stage, workload, asked, rounds)
        runs |= opened
        answered |= theirs
    ours, plain = answered["snapshot"], answered["plain"]
    figures[f"overhead_percent_{size}"] = _percent_over(ours.p50, plain.p50)
    figures[f"overhead_cpu_percent_{size}"] = _percent_over(ours.cpu, plain.cpu)
    for name, answers in answered.items():
        figures |= answers.spelt(f"{name}_query", size)
        built = lance.CHUNK if name.startswith("lancedb") else source.CHUNK
        figures[f"{name}_recall_{size}"] = _recall(workload, built, answers)
    for name, opening in runs.items():
        figures |= _spelt(f"{name}_{size}", opening)
    return figures


def _percent_over(ours: float, plain: float) -> float:
    return round((ours / plain - 1) * 100, 2)


def _spelt(prefix: str, run: Run) -> Figures:
    """Spell a run; of LanceDB, whose client has no hooks, only what was measured."""
    figures = spell(prefix, run)
    counted = not prefix.startswith("lancedb")
    return {key: value for key, value in figures.items() if counted or key.endswith("_ms")}


@dataclass
class _Answers:
    """What one side took for each query, in seconds, and what it answered."""

    seconds: list[float] = field(default_factory=list)
    cpu: float = 0.0  # of the process, all threads: what a busy machine does not blur
    found: list[tuple[Sequence[float], list[str]]] = field(default_factory=list)

    @property
    def p50(self) -> float:
        return percentile(self.seconds, 0.5)

    def ask(self, side: Ask, vector: Sequence[float]) -> None:
        """Time one query."""
        began, spent = perf_counter(), process_time()
        ids = side(vector)
        self.seconds.append(perf_counter() - began)
        self.cpu += process_time() - spent
        self.found.append((vector, ids))

    def spelt(self, prefix: str, size: str) -> Figures:
        """Return the figures."""
        return {
            f"{prefix}_p50_ms_{size}": milliseconds(self.p50),
            f"{prefix}_p95_ms_{size}": milliseconds(percentile(self.seconds, 0.95)),
        }


def _queries(stage: Stage, bucket: str, asked: Floats) -> dict[str, _Answers]:
    """Ask a snapshot and plain chromadb on the same files, in turns."""
    objects = Objects(stage.endpoint.s3(), bucket)
    pulled = stage.scratch / f"pulled-{uuid4().hex}"
    pull(objects, COLLECTION, pulled)
    client = normal_client(pulled)
    try:
        with open_snapshot(objects, COLLECTION) as snapshot:
            plain = client.get_collection(COLLECTION, embedding_function=None)
            return _in_turns({"snapshot": _asks(snapshot.collection), "plain": _asks(plain)}, asked)
    finally:
        client.close()  # type: ignore[attr-defined]


def _in_turns(sides: Mapping[str, Ask], asked: Floats) -> dict[str, _Answers]:
    """Ask all sides each question; who comes first turns."""
    answers = {name: _Answers() for name in sides}
    names = list(sides)
    for number, row in enumerate(asked):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            timed = answers[name] if number >= _WARM_UP else _Answers()
            timed.ask(sides[name], row.tolist())
    return answers


def _asks(collection: Any) -> Ask:
    def ask(vector: Sequence[float]) -> list[str]:
        found = collection.query(query_embeddings=[vector], n_results=_NEAREST)
        ids: list[str] = found["ids"][0]
        return ids

    return ask


def _opened(stage: Stage, bucket: str, directory: Path | None, vector: Floats) -> Run:
    """Return what opening the head takes, until a first query is answered."""
    client = stage.endpoint.s3()
    readers: list[Snapshot] = []

    def work(watch: Stopwatch) -> None:
        with watch.phase("open"):
            readers.append(open_snapshot(Objects(client, bucket), COLLECTION, directory=directory))
        with watch.phase("first_query"):
            _asks(readers[0].collection)(vector.tolist())

    taken = measured(ClientTraffic(client), work)
    readers[0].close()
    return taken


def _refreshes(
    stage: Stage, bucket: str, workload: Workload, vector: Floats, rounds: int
) -> Figures:
    """Return what a refresh takes, one version of label edits behind, and the query after it."""
    copy = stage.copy(bucket)
    writer = stage.instep(copy)
    client = stage.endpoint.s3()
    runs = []
    with open_snapshot(Objects(client, copy), COLLECTION) as snapshot:
        ask = _asks(snapshot.collection)
        ask(vector.tolist())
        for number in range(rounds):
            writer.update_labels(workload.edits("scattered", number))

            def work(watch: Stopwatch) -> None:
                with watch.phase("sync"):
                    snapshot.refresh()
                with watch.phase("query"):
                    ask(vector.tolist())

            runs.append(measured(ClientTraffic(client), work))
    return spell(f"refresh_{short(workload.size)}", median_run(runs))


def _lance(
    stage: Stage, workload: Workload, asked: Floats, rounds: int
) -> tuple[dict[str, Run], dict[str, _Answers]]:
    """Return LanceDB's opens and queries, without a vector index and with one."""
    buckets = {}
    for name, indexed in (("lancedb", False), ("lancedb_indexed", True)):
        buckets[name] = bucket = f"{name.replace('_', '-')}-reader"
        empty_bucket(stage.endpoint.s3(), bucket)
        side = Lance(stage.endpoint.url, bucket, Uncounted(), indexed=False)
        side.seed(workload)
        if indexed:
            side.index_vectors()

    def opened(bucket: str, _: int) -> Run:
        def work(watch: Stopwatch) -> None:
            with watch.phase("open"):
                reader = LanceReader(stage.endpoint.url, bucket)
            with watch.phase("first_query"):
                reader.nearest(asked[0].tolist(), _NEAREST)

        return measured(Uncounted(), work)

    opens = interleave(
        {f"{name}_open": partial(opened, bucket) for name, bucket in buckets.items()}, rounds
    )
    sides = {
        name: partial(LanceReader(stage.endpoint.url, bucket).nearest, count=_NEAREST)
        for name, bucket in buckets.items()
    }
    return {name: median_run(runs) for name, runs in opens.items()}, _in_turns(sides, asked)


def _vectors(workload: Workload, count: int) -> Floats:
    """Return vectors to ask for, of the kind that is held and none of those."""
    random = np.random.default_rng((workload.seed, 1))
    return random.standard_normal((count, workload.width), dtype=np.float32)


def _recall(workload: Workload, chunk: int, answers: "_Answers") -> float:
    """Return the share of the true nearest that was found; `chunk`: as the collection was built."""
    asked = np.asarray([vector for vector, _ in answers.found], np.float32)
    best = np.full((len(asked), _NEAREST), np.inf)
    numbers = np.zeros((len(asked), _NEAREST), np.int64)
    for start in range(0, workload.size, chunk):
        held = workload.embeddings(start, min(chunk, workload.size - start))
        distances = np.hstack([best, (held**2).sum(axis=1) - 2 * asked @ held.T])
        at = np.hstack(
            [numbers, np.broadcast_to(np.arange(len(held)) + start, (len(asked), len(held)))]
        )
        chosen = np.argpartition(distances, _NEAREST, axis=1)[:, :_NEAREST]
        best = np.take_along_axis(distances, chosen, axis=1)
        numbers = np.take_along_axis(at, chosen, axis=1)
    hits = sum(
        len({workload.word_id(int(number)) for number in row} & {*ids})
        for row, (_, ids) in zip(numbers, answers.found, strict=True)
    )
    return round(hits / (_NEAREST * len(asked)), 3)
