"""`instep bench`: what it takes on this machine, each figure beside what it should be."""

from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from instep.cli.knobs import knobs_of
from instep.cli.options import Context, Json
from instep.cli.output import answers, remarks

if TYPE_CHECKING:
    from benchmarks.report import Report

EPILOG = "Example: [bold]instep bench label_updates --size 5000 --rounds 3 --json[/]"


class Benchmark(StrEnum):
    """What can be measured."""

    LABEL_UPDATES = "label_updates"
    DELTA_MERGE = "delta_merge"
    READER = "reader"
    READER_SYNC = "reader_sync"
    GROWTH = "growth"
    PAGES = "pages"
    DEPLOYED = "deployed"
    DRAIN_LIMIT = "drain_limit"
    FRESHNESS = "freshness"
    SOAK = "soak"
    THROUGHPUT = "throughput"
    COST = "cost"
    HOSTILE = "hostile"
    READERS = "readers"
    SYNC = "sync"
    SCALE = "scale"
    VERSIONS = "versions"
    WEEK = "week"


# The options of each, as its `run` names them.
TAKES = {
    Benchmark.LABEL_UPDATES: {"sizes", "rounds"},
    Benchmark.DELTA_MERGE: {"size", "rounds"},
    Benchmark.READER: {"sizes", "rounds"},
    Benchmark.READER_SYNC: {"size", "rounds"},
    Benchmark.GROWTH: {"sizes", "rounds"},
    Benchmark.PAGES: {"sizes", "rounds"},
    Benchmark.DEPLOYED: {"size"},
    Benchmark.DRAIN_LIMIT: {"size"},
    Benchmark.FRESHNESS: {"rates", "seconds"},
    Benchmark.SOAK: {"minutes", "seed", "context"},
    Benchmark.THROUGHPUT: {"sizes", "context"},
    Benchmark.COST: {"rates", "seconds", "context"},
    Benchmark.HOSTILE: {"inputs", "seed"},
    Benchmark.READERS: {"seconds"},
    Benchmark.SYNC: {"size"},
    Benchmark.SCALE: {"sizes"},
    Benchmark.VERSIONS: {"size", "rounds"},
    Benchmark.WEEK: {"minutes"},
}


def bench(
    name: Annotated[Benchmark, typer.Argument(help="The benchmark.", show_default=False)],
    *,
    size: Annotated[
        list[int] | None,
        typer.Option(
            "--size",
            min=1_000,
            help="Words in the collection, or changed in throughput, or records in drain_limit's "
            "round; label_updates, reader, growth, pages and throughput take several. The "
            "published figures need the default.",
        ),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option("--rounds", min=1, help="Runs of each side behind a median.")
    ] = None,
    rate: Annotated[
        list[int] | None,
        typer.Option("--rate", min=1, help="freshness, cost: edits a second; may be repeated."),
    ] = None,
    seconds: Annotated[
        int | None,
        typer.Option("--seconds", min=5, help="freshness, cost: of each rate; readers: in all."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0.1, help="soak: how long there is trouble; week: its days."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="soak: which trouble, and when; hostile: which inputs."),
    ] = None,
    inputs: Annotated[
        int | None, typer.Option("--inputs", min=1, help="hostile: how many; 1,000,000 if not.")
    ] = None,
    context: Context = None,
    as_json: Json = False,
) -> None:
    """Measure the predecessor's way and Instep's over one local S3, interleaved.

    `deployed`, `freshness`, `soak`, `throughput` and `cost` measure ours alone: the real workflow
    on a local cloud. The last four leave it to itself: how long a write takes to be readable at
    several rates; what trouble does to it; how fast 10,000 changes are in; what a month costs.
    `drain_limit`: the memory of functions in the largest round there is. `hostile`: mutated bytes
    to everything that reads such, each to end in bounded time and memory and by a declared error.
    `reader`: what opening the head, a query and a refresh take, beside plain chromadb on the same
    files and LanceDB. `readers`: threads and processes that read one directory while versions are
    published, and whether an answer is wrong. `sync`: a table that was there before, one in step,
    one damaged, and one stopped. `scale`: what bounds a collection, and what shards give.
    `versions`: a manifest after 10,000 of them. `week`: a week in minutes, and all that goes wrong
    in one.

    Nothing leaves this machine. The first run of the others builds the collections under
    .build/bench: about a minute for 20,000 words, five or more for 80,000. LanceDB takes part in
    label_updates and reader where it is installed: pip install --no-deps --require-hashes -r
    requirements/bench.txt
    """
    given: dict[str, object] = {
        "rounds": rounds,
        "rates": rate,
        "seconds": seconds,
        "minutes": minutes,
        "seed": seed,
        "inputs": inputs,
        "context": knobs_of(context) if context else None,
    }
    options = {option: value for option, value in given.items() if value is not None}
    if size:
        options |= _sizes(name, size)
    _require_taken(name, options)
    with remarks.status(f"measuring {name.value}: minutes, not seconds"):
        report = _measure(name, options)
    for remark in filter(None, (report.left_out, report.remark)):
        remarks.print(remark, style="yellow", markup=False, soft_wrap=True)
    if as_json:
        typer.echo(report.to_json())
    else:
        report.print_to(answers)


def _require_taken(name: Benchmark, options: dict[str, object]) -> None:
    for option in options.keys() - TAKES[name]:
        flag = {"sizes": "size", "rates": "rate"}.get(option, option)
        raise typer.BadParameter(f"{name.value} takes no --{flag}")


def _sizes(name: Benchmark, sizes: list[int]) -> dict[str, object]:
    if "sizes" in TAKES[name]:
        if name is Benchmark.GROWTH and len(set(sizes)) < 2:
            raise typer.BadParameter(
                "growth fits a slope: give --size at least twice, each another size"
            )
        return {"sizes": sizes}
    if len(sizes) > 1:
        raise typer.BadParameter(f"{name.value} takes one --size")
    return {"size": sizes[0]}


def _measure(name: Benchmark, options: dict[str, object]) -> "Report":
    """Run it. Loaded here, as it brings chromadb, which no other command should wait for."""
    with import_module("benchmarks.stage").stage() as stage:
        report: Report = import_module(f"benchmarks.{name.value}").run(stage, **options)
    return report
