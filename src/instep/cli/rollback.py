"""`instep rollback`: readers see an older version's content again, at once."""

import getpass
import socket
from dataclasses import asdict
from typing import Annotated

import typer

from instep.cli.options import DEFAULT_STACK, Aws, Collection, Json, Stack, Yes
from instep.cli.output import answers, ask, print_json, remarks
from instep.cli.session import open_session
from instep.snapshot.acts.rollback import RolledBack
from instep.snapshot.acts.rollback import rollback as roll_back
from instep.snapshot.copy.store import SnapshotStore

EPILOG = "Example: [bold]instep rollback products 20260102T030405.000006Z-0123abcd[/]"


def rollback(
    collection: Collection,
    version: Annotated[
        str,
        typer.Argument(
            metavar="VERSION|TAG|TIME", help="A version of `instep history`.", show_default=False
        ),
    ],
    *,
    aws: Aws = False,
    yes: Yes = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Publish an older version's content as a new version on the head: nothing is lost by it.

    Waits for nobody: a run that is under way applies its changes again, on the new head. What the
    table said since that version is missing then, until `instep sync` has run or its items change.
    """
    session = open_session(aws=aws, stack=stack)
    ask(f"Have readers of {collection} see {version} again?", yes=yes or not aws)
    store = SnapshotStore(session.objects, collection)
    with remarks.status(f"going back to {version}"):
        done = roll_back(store, version, who())
    if as_json:
        print_json({"collection": collection, **asdict(done)})
    else:
        show(collection, done)


def show(collection: str, done: RolledBack) -> None:
    """Print what is the head now, what that means, and how to undo it."""
    answers.print(f"[green]rolled back[/] {collection} to what {done.to} held")
    answers.print(f"the head is now {done.version}; it was {done.replaced}")
    answers.print(
        f"What changed in the table since then is missing: [bold]instep verify {collection}[/] "
        f"lists it, [bold]instep sync {collection}[/] brings it."
    )
    answers.print(f"To undo: [bold]instep rollback {collection} {done.replaced}[/]")


def who() -> str:
    """Return who acts, as `instep history` shows it."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
