"""`instep watch`: what `status` says, kept on the screen; in a pipe a line a change."""

import json
from collections.abc import Callable, Iterable, Iterator
from threading import Event
from typing import Annotated

import typer
from rich.live import Live

from instep.cli.options import DEFAULT_STACK, Aws, Json, Stack
from instep.cli.output import Exit, answers, plain
from instep.cli.session import open_session
from instep.cli.standing import Standing, read_standing
from instep.cli.status import document, screen
from instep.cli.trouble import troubles

EPILOG = "Example: [bold]instep watch --every 5 | tee today.log[/]"


def watch(
    *,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
    aws: Aws = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Show what `instep status` shows, again and again, until Ctrl-C (which exits 130).

    On a terminal the screen is kept current. In a pipe there is a line whenever something has
    changed, with --json a document on one line. Looking changes nothing.
    """
    session = open_session(aws=aws, stack=stack)
    looks = _looks(lambda: read_standing(session, session.collections, stack), every)
    try:
        if as_json:
            tell_changes(looks, _as_json)
        elif answers.is_terminal:
            _keep(looks)
        else:
            tell_changes(looks, line)
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


def tell_changes(looks: Iterable[Standing], told: Callable[[Standing], str]) -> None:
    """Print a line for each look that differs from the one before in more than the time."""
    last = None
    for standing in looks:
        now = line(standing)
        if now.partition(" ")[2] != last:
            typer.echo(told(standing))
            last = now.partition(" ")[2]


def line(standing: Standing) -> str:
    """Return the standing in one line: the time first, and what needs a person last."""
    versions = " ".join(
        f"{each.collection}={each.version or ('unreadable' if each.unreadable else 'none')}"
        for each in standing.collections
    )
    inbox = standing.inbox
    runner = (standing.runner.runner or "nobody").rpartition(":")[2]
    last = standing.executions[0].status.lower() if standing.executions else "none"
    needs = "; ".join(map(str, troubles(standing))) or "nothing"
    return (
        f"{standing.at:%H:%M:%S} {versions} "
        f"inbox={inbox.visible}+{inbox.in_flight}+{inbox.delayed} dlq={standing.dlq} "
        f"runner={runner} last={last} needs a person: {needs}"
    )


def _keep(looks: Iterable[Standing]) -> None:
    with Live(console=answers, auto_refresh=False, vertical_overflow="crop") as live:
        for standing in looks:
            live.update(screen(standing), refresh=True)


def _as_json(standing: Standing) -> str:
    return json.dumps(document(standing), default=plain, ensure_ascii=False)


def _looks(look: Callable[[], Standing], every: float) -> Iterator[Standing]:
    pause = Event()
    while True:
        yield look()
        pause.wait(every)
