"""`instep demo`: the whole story on this machine, from a DynamoDB table to a snapshot on S3."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Annotated

import typer

from instep.app import app_folder
from instep.cli.deploying import deploy_with_progress
from instep.cli.output import Exit, answers, remarks
from instep.cli.session import Session
from instep.local.launcher import LocalCloud
from instep.local.target import Target
from receipt_domain.demo.narrator import chapter
from receipt_domain.demo.story import Story

EPILOG = "Example: [bold]instep demo --keep && instep query words fruit[/]"


def demo(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the local cloud up, for the other commands.")
    ] = False,
) -> None:
    """Watch changes travel from a table into Chroma snapshots; ends with every embedding verified.

    About 300 receipts arrive with their embeddings; then a person works on them for an afternoon.
    Everything happens on a local cloud on loopback, which is stopped at the end. Exit status 1 if
    any embedding differs from the table.
    """
    app_folder()
    began = monotonic()
    with local_cloud(keep=keep) as session:
        in_step = Story(session).tell()
    answers.print(f"\n[bold]the whole story took {monotonic() - began:.0f} s[/]")
    if keep:
        answers.print("the local cloud is still up: [bold]instep status[/], [bold]instep down[/]")
    if not in_step:
        raise typer.Exit(Exit.NO)


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
