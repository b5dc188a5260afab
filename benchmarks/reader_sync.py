"""What a reader pays to come up to the head, one version behind and twenty, against a full copy.

The full copy is what the predecessor's readers do: download the latest snapshot and open it. Beside
it stands a first full copy from our own store, as that is what a new reader pays. Each is timed
until it has read a word of the version; `sync` alone is what lies before that read.
"""

from dataclasses import replace
from uuid import uuid4

from benchmarks.measure import (
    Figures,
    Run,
    Stopwatch,
    interleave,
    measured,
    median_run,
    ratio,
    spell,
)
from benchmarks.report import Report, at_least
from benchmarks.stage import Stage
from benchmarks.traffic import ClientTraffic, Uncounted
from benchmarks.workload import COLLECTION, Fields, Shape, Workload
from instep.aws.objects import Objects
from instep.snapshot.copy.reader import open_snapshot

SIZE = 20_000
BEHIND = 20
ROUNDS = 3
TARGETS = {"bytes_ratio": at_least(500), "speedup": at_least(20)}


class ReaderStale(Exception):
    """A refreshed reader does not show the last edit: its figure would be worthless."""


def run(
    stage: Stage,
    size: int = SIZE,
    behind: int = BEHIND,
    rounds: int = ROUNDS,
    shape: Shape = Workload,
) -> Report:
    """Return the figures of a reader `behind` versions back, and of one that follows each."""
    workload = shape(size)
    base = stage.base(workload)
    before = stage.predecessor(workload)
    one: list[Run] = []

    def follow(number: int) -> Run:
        ones, last = _follow(stage, stage.copy(base), workload, behind, number)
        one.extend(ones)
        return last

    runs = interleave(
        {
            "full": lambda number: before.read(stage.scratch / "full", workload.word_id(number)),
            "own_full": lambda number: _first_copy(stage, base, workload.word_id(number)),
            "behind": follow,
        },
        rounds,
    )
    medians = {name: median_run(taken) for name, taken in runs.items()}
    return Report(
        "reader_sync",
        f"{workload.describe()}, scattered; a version a run, readers 1 and {behind} behind, until "
        f"they have read a word of the newest",
        _figures(behind, median_run(one), medians),
        TARGETS,
    )


def _follow(
    stage: Stage, bucket: str, workload: Workload, behind: int, number: int
) -> tuple[list[Run], Run]:
    """Publish `behind` versions; one reader refreshes after each, another after the last."""
    writer = stage.instep(bucket)
    close, late = _Reader(stage, bucket), _Reader(stage, bucket)
    for reader in (close, late):
        reader.value_of(workload.word_id(0))  # it has read before: chromadb has loaded the index
    runs = []
    for version in range(behind):
        edit = workload.edits("scattered", number * behind + version)
        writer.update_labels(edit)
        runs.append(close.refresh(edit))
    last = late.refresh(edit)
    close.snapshot.close()
    late.snapshot.close()
    return runs, last


class _Reader:
    """A reader of its own directory and connection, open at the head it found."""

    def __init__(self, stage: Stage, bucket: str) -> None:
        client = stage.endpoint.s3()
        self.traffic = ClientTraffic(client)
        directory = stage.scratch / f"reader-{uuid4().hex}"
        self.snapshot = open_snapshot(Objects(client, bucket), COLLECTION, directory=directory)

    def refresh(self, edits: dict[str, Fields]) -> Run:
        """Return what coming up to the head and reading one of these edits takes; ReaderStale."""
        word, wanted = next(iter(edits.items()))
        found: list[Fields] = []

        def work(watch: Stopwatch) -> None:
            with watch.phase("sync"):
                self.snapshot.refresh()
            with watch.phase("read"):
                found.append(self.value_of(word))

        run = measured(self.traffic, work)
        if not wanted.items() <= found[0].items():
            raise ReaderStale(f"{word}: {found[0]}")
        return run

    def value_of(self, word: str) -> Fields:
        """Return the fields of a word as the reader sees them."""
        metadatas = self.snapshot.collection.get(ids=[word], include=["metadatas"])["metadatas"]
        return dict(metadatas[0]) if metadatas else {}  # type: ignore[arg-type]


def _first_copy(stage: Stage, bucket: str, word: str) -> Run:
    readers: list[_Reader] = []

    def work(watch: Stopwatch) -> None:
        with watch.phase("sync"):
            readers.append(_Reader(stage, bucket))
        with watch.phase("read"):
            readers[0].value_of(word)

    run = measured(Uncounted(), work)
    readers[0].snapshot.close()
    counted = readers[0].traffic.reading()
    return replace(run, down=counted.down, requests=counted.requests)


def _figures(behind: int, one: Run, runs: dict[str, Run]) -> Figures:
    full, own, last = runs["full"], runs["own_full"], runs["behind"]
    return {
        "bytes_ratio": ratio(full.down, one.down),
        "speedup": ratio(full.seconds, one.seconds),
        f"bytes_ratio_{behind}": ratio(full.down, last.down),
        f"speedup_{behind}": ratio(full.seconds, last.seconds),
        "speedup_sync_only": ratio(full.phases["sync"], one.phases["sync"]),
        f"speedup_sync_only_{behind}": ratio(full.phases["sync"], last.phases["sync"]),
        "bytes_ratio_own_full": ratio(own.down, one.down),
        "speedup_own_full": ratio(own.seconds, one.seconds),
        **spell("full_download", full),
        **spell("own_first_copy", own),
        **spell("behind_1", one),
        **spell(f"behind_{behind}", last),
    }
