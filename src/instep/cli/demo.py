"""`instep demo`: the app's story on this machine, from a DynamoDB table to a snapshot on S3."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Annotated, Final, TypeAlias

import typer

from instep.app import APP_FILE, app_folder, context_of
from instep.binding import imported
from instep.cli.deploying import deploy_with_progress
from instep.cli.filling import read_items
from instep.cli.narrator import chapter
from instep.cli.output import Exit, Refused, answers, remarks
from instep.cli.session import Session
from instep.local.launcher import LocalCloud
from instep.local.target import Target

EPILOG = "Example: [bold]instep demo --example catalogue[/]"
_EXAMPLES: Final = Path(__file__).resolve().parents[3] / "examples"  # of a checkout
_ITEMS: Final = "items.json"

Tell: TypeAlias = Callable[[Session], bool]
"""A story, told on a fresh deployment: whether every embedding is in step at the end."""


def demo(
    *,
    example: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="An app of the repository's examples/ instead of yours."),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the local cloud up, for the other commands.")
    ] = False,
) -> None:
    """Watch changes travel from a table into Chroma snapshots; ends with every embedding verified.

    It tells the story that the app's cdk.json names ("demo": "module:function"). Without one, the
    app is deployed, the items of its items.json are written, and all is verified.

    Everything happens on a local cloud on loopback, which is stopped at the end. Exit status 1 if
    any embedding differs from the table.
    """
    if example is not None:
        _enter(example)
    tell = _story()
    began = monotonic()
    with local_cloud(keep=keep) as session:
        in_step = tell(session)
    answers.print(f"\n[bold]the whole story took {monotonic() - began:.0f} s[/]")
    if keep:
        answers.print("the local cloud is still up: [bold]instep status[/], [bold]instep down[/]")
    if not in_step:
        raise typer.Exit(Exit.NO)


def _enter(example: str) -> None:
    """Work in an example's folder from here on, as a person would who goes there."""
    there = sorted(file.parent.name for file in _EXAMPLES.glob(f"*/{APP_FILE}"))
    if example not in there:
        known = f"there are {', '.join(there)}" if there else "they lie in the repository alone"
        raise Refused(f"no example {example!r}: {known}")
    os.chdir(_EXAMPLES / example)


def _story() -> Tell:
    app = app_folder()
    named = context_of(app).get("demo")
    if named is None:
        return _tell_plainly
    told: Tell = imported(str(named), app)
    return told


def _tell_plainly(session: Session) -> bool:
    from instep.cli.telling import Telling  # chromadb, which --help need not wait for

    story, items = Telling(session), app_folder() / _ITEMS
    if items.is_file():
        story.change(f"the items of {_ITEMS} arrive", put=read_items(items))
    return story.verify()


@contextmanager
def local_cloud(*, keep: bool) -> Iterator[Session]:
    """Start a local cloud with the app in it; stopped at the end, or when anything goes wrong.

    CloudRunning when one runs here already: its data is not the demo's to use.
    """
    with chapter("a cloud on this machine"):
        with remarks.status("starting the local cloud"):
            cloud = LocalCloud.start(tied=not keep)
        answers.print(f"[green]started[/]: {cloud.endpoint}, loopback only")
        try:
            target = Target.of(cloud)
            session = Session(target, deploy_with_progress(target))
        except BaseException:
            cloud.stop()
            raise
    stay = False
    try:
        yield session
        stay = keep
    finally:
        if not stay:
            cloud.stop()
