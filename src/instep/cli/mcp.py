"""`instep mcp`: snapshots for an assistant, by the Model Context Protocol."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instep.cli.options import At
from instep.cli.output import Refused

if TYPE_CHECKING:
    from instep.chroma.read_only import TextsToVectors

EPILOG = "Example: [bold]instep mcp s3://my-bucket products --embed my_model:embed[/]"


def mcp(
    location: Annotated[
        str,
        typer.Argument(
            help="BUCKET, s3://BUCKET/PREFIX, or what `instep pull` wrote.", show_default=False
        ),
    ],
    collections: Annotated[
        list[str], typer.Argument(help="The collections to show.", show_default=False)
    ],
    *,
    embed: Annotated[
        str | None,
        typer.Option(metavar="MODULE:NAME", help="A function of texts that returns a vector each."),
    ] = None,
    at: At = None,
    directory: Annotated[
        Path | None, typer.Option(help="Where copies are kept for the next start.")
    ] = None,
) -> None:
    """Serve snapshots, read-only, to an assistant that starts this command: search, get, count,
    versions.

    It speaks the Model Context Protocol on stdin and stdout. Credentials and endpoint come from the
    AWS environment. A search for a text needs the model that made the vectors: --embed.
    """
    if find_spec("mcp") is None:
        raise Refused("the package mcp is not installed: pip install 'instep[mcp]'")
    from instep.mcp.library import Library
    from instep.mcp.server import serve

    with Library(location, collections, _function(embed), directory, at=at) as library:
        serve(library)


def _function(embed: str | None) -> "TextsToVectors | None":
    if embed is None:
        return None
    module, _, name = embed.partition(":")
    try:
        found: TextsToVectors = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise Refused(f"--embed {embed} names no function ({error}): MODULE:NAME") from error
    return found
