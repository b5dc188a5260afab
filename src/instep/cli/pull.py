"""`instep pull`: a verified copy of a snapshot that plain chromadb opens."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from instep.cli.options import DEFAULT_STACK, At, Aws, Collection, Json, Stack
from instep.cli.output import Refused, answers, bytes_text, fetching, print_json
from instep.cli.session import open_session
from instep.cli.snapshots import pull_snapshot

EPILOG = "Example: [bold]instep pull products ./products[/]"


def pull(
    collection: Collection,
    directory: Annotated[
        Path, typer.Argument(help="Where to; it must not exist or be empty.", show_default=False)
    ],
    *,
    at: At = None,
    aws: Aws = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Write a verified copy of the head (or a version), to be read without S3.

    Every page is checked against its hash as it arrives. `instep.open_snapshot`, `instep mcp` and
    plain `chromadb.PersistentClient` open it; that last one may write to it: the copy is yours, and
    no snapshot any more. Several collections: pull each into a folder of its name.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise Refused(f"{directory} is there already and not an empty folder: name another")
    session = open_session(aws=aws, stack=stack)
    with fetching(f"pulling {collection}") as progress:
        version = pull_snapshot(session, collection, directory, at, progress)
    if as_json:
        print_json({"collection": collection, "version": version, "directory": str(directory)})
        return
    place = escape(str(directory.absolute()))
    moved = session.objects.traffic
    answers.print(
        f"[green]pulled[/] {collection} {version}: {bytes_text(moved.down)} in "
        f"{moved.requests} requests"
    )
    answers.print(
        f'read it with [bold]instep.open_snapshot("{place}", "{collection}")[/], or make it '
        f'yours with [bold]chromadb.PersistentClient("{place}")[/]',
        soft_wrap=True,
    )
