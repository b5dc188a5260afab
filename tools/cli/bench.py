"""`instep bench`: both ways in one run on this machine, each figure beside what it should be."""

from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from tools.cli.options import Json
from tools.cli.output import Refused, answers, remarks

if TYPE_CHECKING:
    from benchmarks.report import Report

EPILOG = "Example: [bold]instep bench label_updates --size 5000 --rounds 3 --json[/]"


class Benchmark(StrEnum):
    """What can be measured."""

    LABEL_UPDATES = "label_updates"
    DELTA_MERGE = "delta_merge"
    READER_SYNC = "reader_sync"
    GROWTH = "growth"
    PAGES = "pages"
    DEPLOYED = "deployed"
    DRAIN_LIMIT = "drain_limit"


def bench(
    name: Annotated[Benchmark, typer.Argument(help="The benchmark.", show_default=False)],
    *,
    size: Annotated[
        list[int] | None,
        typer.Option(
            "--size",
            min=1_000,
            help="Words in the collection, or records in the round; label_updates, growth and "
            "pages take several. The published figures need the default.",
        ),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option("--rounds", min=1, help="Runs of each side behind a median.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure the predecessor's way and Instep's over one local S3, interleaved.

    `deployed` measures ours alone: the real workflow on the local cloud, its states and functions.
    So does `drain_limit`: the memory of functions in the largest round there is.

    Nothing leaves this machine. The first run builds the collections under .build/bench: about a
    minute for 20,000 words, five or more for 80,000. LanceDB takes part in label_updates where
    it is installed: pip install --no-deps --require-hashes -r requirements/bench.txt
    """
    if rounds is not None and name in (Benchmark.DEPLOYED, Benchmark.DRAIN_LIMIT):
        raise Refused(f"{name.value} runs each kind of change once: it takes no --rounds")
    options: dict[str, object] = {} if rounds is None else {"rounds": rounds}
    if size:
        options |= _sizes(name, size)
    with remarks.status(f"measuring {name.value}: minutes, not seconds"):
        report = _measure(name, options)
    if report.left_out:
        remarks.print(report.left_out, style="yellow", markup=False, soft_wrap=True)
    if as_json:
        typer.echo(report.to_json())
    else:
        report.print_to(answers)


def _sizes(name: Benchmark, sizes: list[int]) -> dict[str, object]:
    if name in (Benchmark.LABEL_UPDATES, Benchmark.GROWTH, Benchmark.PAGES):
        if name is Benchmark.GROWTH and len(set(sizes)) < 2:
            raise Refused("growth fits a slope: give --size at least twice, each another size")
        return {"sizes": sizes}
    if len(sizes) > 1:
        raise Refused(f"{name.value} takes one --size")
    return {"size": sizes[0]}


def _measure(name: Benchmark, options: dict[str, object]) -> "Report":
    """Run it. Loaded here, as it brings chromadb, which no other command should wait for."""
    with import_module("benchmarks.stage").stage() as stage:
        report: Report = import_module(f"benchmarks.{name.value}").run(stage, **options)
    return report
