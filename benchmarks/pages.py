"""Two ways to find the pages a run changed: the list that SQLite's WAL is, or a comparison.

The comparison needs a copy of the parent, kept before the run, and reads both files whole; it takes
whatever way SQLite writes. The WAL is read alone. Both are asked about the same 500 edits.
"""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.measure import (
    Figures,
    Run,
    Stopwatch,
    interleave,
    measured,
    median_run,
    milliseconds,
    ratio,
    short,
)
from benchmarks.report import Report, at_least
from benchmarks.stage import Stage
from benchmarks.traffic import Uncounted
from benchmarks.workload import COLLECTION, Shape, Workload
from instep.aws.objects import Objects
from instep.chroma import sqlite_wal
from instep.chroma.collection import close_client, get_collection, open_client
from instep.chroma.sqlite_rows import SQLITE
from instep.snapshot.copy.pulled import pull
from instep.snapshot.format.pages import changed, write_pages

SIZES = (20_000, 80_000)
ROUNDS = 7
TARGETS = {"wal_speedup_20k": at_least(1), "wal_speedup_80k": at_least(1)}


class PagesMissed(Exception):
    """The two ways found different pages: one of them is wrong."""


def run(
    stage: Stage, sizes: Sequence[int] = SIZES, rounds: int = ROUNDS, shape: Shape = Workload
) -> Report:
    """Return what each way takes at every size."""
    figures: Figures = {}
    for size in sizes:
        figures |= _measure(stage, shape(size), rounds)
    return Report("pages", shape(sizes[0]).describe(), figures, TARGETS)


def _measure(stage: Stage, workload: Workload, rounds: int) -> Figures:
    main, pages, size = _edited(stage, workload)
    new = main.with_name("new")
    shutil.copyfile(main, new)
    write_pages(new, pages, size)
    found = changed(main, new, sqlite_wal.normal_page)
    if not found.items() <= pages.items():
        raise PagesMissed(f"the WAL lacks {len(found.keys() - pages.keys())} pages")
    runs = interleave(
        {
            "wal": lambda _: measured(Uncounted(), partial(_by_wal, main)),
            "compare": lambda _: measured(Uncounted(), partial(_by_comparison, main, new)),
        },
        rounds,
    )
    wal, compare = median_run(runs["wal"]), median_run(runs["compare"])
    return _figures(short(workload.size), wal, compare) | {
        f"pages_{short(workload.size)}": len(pages),
        f"database_bytes_{short(workload.size)}": size,
    }


def _edited(stage: Stage, workload: Workload) -> tuple[Path, dict[int, bytes], int]:
    """Return a parent with a WAL of one run's edits beside it, and what the WAL says."""
    directory = stage.scratch / f"pages-{workload.size}"
    pull(Objects(stage.endpoint.s3(), stage.base(workload)), COLLECTION, directory)
    main, edits = directory / SQLITE, workload.edits("scattered", 0)
    sqlite_wal.arm(main)
    client = open_client(directory)
    hold = sqlite_wal.Hold(main)
    get_collection(client, COLLECTION).update(ids=list(edits), metadatas=list(edits.values()))
    close_client(client, hold.descriptors)
    hold.release()
    with sqlite_wal.changed_pages(main) as (size, pages):
        return main, dict(pages), size


def _by_wal(main: Path, watch: Stopwatch) -> None:
    with watch.phase("find"), sqlite_wal.changed_pages(main) as (_, pages):
        dict(pages)


def _by_comparison(main: Path, new: Path, watch: Stopwatch) -> None:
    with watch.phase("keep"):
        shutil.copyfile(main, main.with_name("kept"))
    with watch.phase("find"):
        changed(main.with_name("kept"), new, sqlite_wal.normal_page)


def _figures(size: str, wal: Run, compare: Run) -> Figures:
    return {
        f"wal_speedup_{size}": ratio(compare.seconds, wal.seconds),
        f"wal_{size}_ms": milliseconds(wal.seconds),
        f"compare_{size}_ms": milliseconds(compare.seconds),
        f"compare_keep_{size}_ms": milliseconds(compare.phases["keep"]),
        f"compare_find_{size}_ms": milliseconds(compare.phases["find"]),
    }
