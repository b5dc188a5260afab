"""`instep query`: the nearest embeddings to a text, from a snapshot, with what they carry."""

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from instep.cli.hits import hits_table
from instep.cli.options import DEFAULT_STACK, At, Aws, Collection, Json, Stack
from instep.cli.output import Refused, answers, fetching, print_json
from instep.cli.session import open_session
from instep.cli.snapshots import opened

EPILOG = (
    "Example: [bold]instep query products 'something for cocoa' --where "
    """'{"price": {"$lt": 20}}'[/]"""
)
_ONE_OF: Final = "give one of TEXT, --like ID and --vector FILE"


def query(
    collection: Collection,
    text: Annotated[
        str | None, typer.Argument(help="What to look for.", show_default=False)
    ] = None,
    *,
    like: Annotated[
        str | None, typer.Option(metavar="ID", help="Instead: what is near an embedding.")
    ] = None,
    vector: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Instead: near a vector, a JSON list of numbers."),
    ] = None,
    where: Annotated[
        str | None, typer.Option(metavar="JSON", help="Chroma's filter on metadata.")
    ] = None,
    at: At = None,
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=100, help="Hits shown.")] = 8,
    aws: Aws = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Show the nearest embeddings with their fields; the same text is shown once, with a count.

    The text is embedded by what made the collection's vectors, if Instep ships that, and else with
    the small local model (256 floats), as in the demo. `--like` and `--vector` need no model.
    """
    if sum(one is not None for one in (text, like, vector)) != 1:
        raise typer.BadParameter(_ONE_OF)
    if text is not None and not text.strip():
        raise typer.BadParameter(f"there is nothing to look for in {text!r}: {_ONE_OF}")
    condition, given = _condition(where), None if vector is None else read_vector(vector)
    session = open_session(aws=aws, stack=stack)
    from instep.cli import searching  # chromadb, which --help need not wait for

    with (
        fetching(f"opening {collection}") as progress,
        opened(session, collection, at, progress) as on,
    ):
        version = on.version
        if text is not None:
            hits = searching.nearest(on, text, count, condition)
        else:
            asked = given if like is None else searching.vector_of(on, like)
            hits = searching.nearest_to(on, asked, count, condition)
    if as_json:
        print_json({"version": version, "hits": [vars(hit) for hit in hits]})
        return
    answers.print(f"[dim]{collection} {version}[/]")
    answers.print(hits_table(hits) if hits else "nothing found")


def read_vector(path: Path) -> list[float]:
    """Return the vector in a file; Refused for anything but a JSON list of finite numbers."""
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise Refused(f"{path} is not JSON: {error}") from error
    if not isinstance(found, list) or not found or not all(map(_is_finite, found)):
        raise Refused(f"{path} is no vector: give a JSON list of finite numbers")
    return [float(number) for number in found]


def _is_finite(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and isfinite(number)


def _condition(where: str | None) -> Mapping[str, Any] | None:
    if where is None:
        return None
    try:
        condition = json.loads(where)
    except ValueError as error:
        raise typer.BadParameter(f"--where is not JSON: {error}") from error
    if not isinstance(condition, dict):
        raise typer.BadParameter(
            f'--where takes an object, such as {{"price": {{"$lt": 20}}}}, not {where}'
        )
    return condition
