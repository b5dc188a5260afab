"""`instep status`: in step, how far behind, what failed; and whether that needs a person."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from textwrap import shorten
from typing import Any

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from instep.cli.freshness import freshness_text
from instep.cli.options import DEFAULT_STACK, Aws, Json, Stack
from instep.cli.output import (
    Exit,
    age_text,
    answers,
    bytes_text,
    plain_table,
    print_json,
    remarks,
)
from instep.cli.session import open_session
from instep.cli.standing import Standing, read_standing
from instep.cli.trouble import Trouble, troubles
from instep.flow.causes import cause_text
from instep.flow.runner import RunnerState
from instep.wording import number_text

EPILOG = "Example: [bold]instep status --json | jq .inbox.visible[/]"
_SHOWN_LETTERS = 8
_CAUSE = 500  # characters: what failed, where its records are, and what helps


def status(*, aws: Aws = False, stack: Stack = DEFAULT_STACK, as_json: Json = False) -> None:
    """Show version, embeddings, freshness and lease of each collection, who drains, what waits.

    Exits 1 when something needs a person: the DLQ holds messages, messages wait and nobody drains,
    the last run ended red, a run publishes nothing, an alarm speaks; each with its page of
    docs/runbook.md.

    Looking changes nothing: messages of the DLQ are peeked at and handed back. Counts of queues
    are SQS's own, which may lag by a moment.
    """
    session = open_session(aws=aws, stack=stack)
    with remarks.status("looking"):
        standing = read_standing(session, session.collections, stack)
    if as_json:
        print_json(document(standing))
    else:
        answers.print(screen(standing))
    if troubles(standing):
        raise typer.Exit(Exit.NO)


def document(standing: Standing) -> dict[str, Any]:
    """Return the standing as JSON has it, with what needs a person."""
    return asdict(standing) | {"troubles": [asdict(each) for each in troubles(standing)]}


def screen(standing: Standing) -> RenderableType:
    """Return the standing as people read it, what needs them last."""
    return Group(*_parts(standing))


def _parts(standing: Standing) -> Iterator[RenderableType]:
    yield _collections(standing)
    told = [each for each in standing.collections if each.version or each.unreadable]
    if told:
        yield ""
    for each in told:
        if each.unreadable is None:
            yield f"{each.collection}: {freshness_text(each.freshness, standing.at)}"
        else:
            yield f"[red]{escape(each.unreadable)}[/]"
    for each in standing.collections:
        if each.leased_by is not None and each.leased_until is not None:
            holder = _holder(each.leased_by, each.leased_until, standing.at)
            yield f"{each.collection}: leased by {holder}"
    inbox = standing.inbox
    yield (
        f"\ninbox: {inbox.visible:,} waiting, {inbox.in_flight:,} in flight, "
        f"{inbox.delayed:,} delayed"
    )
    yield f"runner: {_runner(standing.runner, standing.at)}"
    yield from _dead_letters(standing)
    if standing.executions:
        yield _executions(standing)
    yield from _needs(troubles(standing))


def _needs(found: Sequence[Trouble]) -> Iterator[RenderableType]:
    if not found:
        yield "\n[green]nothing needs a person[/]"
        return
    yield "\n[red]needs a person:[/]"
    for trouble in found:
        yield f"  {escape(str(trouble))}"


def dead_letters(standing: Standing) -> RenderableType:
    """Return how many messages lie in the DLQ, and the first of them with their reasons."""
    return Group(*_dead_letters(standing))


def _dead_letters(standing: Standing) -> Iterator[RenderableType]:
    colour = "red" if standing.dlq else "green"
    yield f"DLQ: [{colour}]{standing.dlq:,}[/]"
    for letter in standing.dead_letters[:_SHOWN_LETTERS]:
        where = f" ({letter.collection})" if letter.collection else ""
        yield f"  [red]{escape(letter.reason)}[/]{where}"
        yield Text(f"    {letter.what}", "dim", no_wrap=True, overflow="ellipsis")
    if standing.dlq > _SHOWN_LETTERS:
        yield "  ... (--json lists more)"


def _collections(standing: Standing) -> Table:
    numbers = ("embeddings", "size", "age")
    table = plain_table(
        "collection", "version", *numbers, "lease", right=numbers, whole=["version"]
    )
    for each in standing.collections:
        age = "" if each.created_at is None else age_text(standing.at - each.created_at)
        none = "[dim]none yet[/]" if each.unreadable is None else "[red]cannot be read[/]"
        version = each.version or none
        size = bytes_text(each.bytes) if each.version else ""
        lease = "[dim]free[/]" if each.leased_by is None else "held"
        table.add_row(each.collection, version, f"{each.embeddings:,}", size, age, lease)
    return table


def _runner(runner: RunnerState, at: datetime) -> str:
    drains = "nobody drains"
    if runner.runner is not None and runner.until is not None:
        drains = _holder(runner.runner, runner.until, at)
    return f"{drains}; {number_text(runner.queued, 'message')} queued so far"


def _holder(name: str, until: datetime, at: datetime) -> str:
    left = until - at
    when = f"for {age_text(left)} more" if left.total_seconds() > 0 else "[yellow]expired[/]"
    return f"{escape(name.rpartition(':')[2])} {when}"


def _executions(standing: Standing) -> Table:
    facts = ("started", "took", "outcome")
    table = plain_table(*facts, "why", whole=facts, title="\nlast executions")
    for run in standing.executions:
        usual = {"SUCCEEDED": "green", "RUNNING": "yellow"}.get(run.status, "red")
        colour = "yellow" if run.rejected else usual
        took = "" if run.stopped is None else f"{(run.stopped - run.started).total_seconds():.1f} s"
        rejected = f"put {number_text(run.rejected, 'record')} into the DLQ"
        cause = shorten(cause_text(run.error, run.cause), _CAUSE, placeholder=" …")
        status = f"[{colour}]{run.status.lower()}[/]"
        table.add_row(
            f"{run.started:%H:%M:%S}", took, status, escape(rejected if run.rejected else cause)
        )
    return table
