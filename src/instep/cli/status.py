"""`instep status`: a collection a line, what waits, what lies in the DLQ and why, the last runs."""

from dataclasses import asdict
from datetime import datetime

from rich.markup import escape
from rich.table import Table

from instep.cli.freshness import show_freshness
from instep.cli.options import DEFAULT_STACK, Aws, Json, Stack
from instep.cli.output import age_text, answers, bytes_text, plain_table, print_json, remarks
from instep.cli.session import open_session
from instep.cli.standing import Standing, read_standing
from instep.flow.causes import cause_text
from instep.flow.runner import RunnerState

EPILOG = "Example: [bold]instep status --json | jq .inbox.visible[/]"
_SHOWN_LETTERS = 8


def status(*, aws: Aws = False, stack: Stack = DEFAULT_STACK, as_json: Json = False) -> None:
    """Show version, embeddings, freshness and lease of each collection, who drains, what waits.

    Looking changes nothing: messages of the DLQ are peeked at and handed back. Counts of queues
    are SQS's own, which may lag by a moment.
    """
    session = open_session(aws=aws, stack=stack)
    with remarks.status("looking"):
        standing = read_standing(session, session.collections)
    if as_json:
        print_json(asdict(standing))
    else:
        show(standing)


def show(standing: Standing) -> None:
    """Print the standing as people read it."""
    answers.print(_collections(standing))
    heads = {each.collection: each.freshness for each in standing.collections if each.version}
    if heads:
        answers.print()
    show_freshness(heads, standing.at)
    for each in standing.collections:
        if each.leased_by is not None and each.leased_until is not None:
            holder = _holder(each.leased_by, each.leased_until, standing.at)
            answers.print(f"{each.collection}: leased by {holder}", soft_wrap=True)
    inbox = standing.inbox
    answers.print(
        f"\ninbox: {inbox.visible:,} waiting, {inbox.in_flight:,} in flight, "
        f"{inbox.delayed:,} delayed"
    )
    answers.print(f"runner: {_runner(standing.runner, standing.at)}")
    show_dead_letters(standing)
    if standing.executions:
        answers.print(_executions(standing))


def show_dead_letters(standing: Standing) -> None:
    """Print how many messages lie in the DLQ, and the first of them with their reasons."""
    colour = "red" if standing.dlq else "green"
    answers.print(f"DLQ: [{colour}]{standing.dlq:,}[/]")
    for letter in standing.dead_letters[:_SHOWN_LETTERS]:
        where = f" ({letter.collection})" if letter.collection else ""
        answers.print(f"  [red]{escape(letter.reason)}[/]{where}")
        answers.print(f"    [dim]{escape(letter.what)}[/]")
    if standing.dlq > _SHOWN_LETTERS:
        answers.print("  ... (--json lists more)")


def _collections(standing: Standing) -> Table:
    numbers = ("embeddings", "size", "age")
    table = plain_table(
        "collection", "version", *numbers, "lease", right=numbers, whole=["version"]
    )
    for each in standing.collections:
        age = "" if each.created_at is None else age_text(standing.at - each.created_at)
        version = each.version or "[dim]none yet[/]"
        size = bytes_text(each.bytes) if each.version else ""
        lease = "[dim]free[/]" if each.leased_by is None else "held"
        table.add_row(each.collection, version, f"{each.embeddings:,}", size, age, lease)
    return table


def _runner(runner: RunnerState, at: datetime) -> str:
    drains = "nobody drains"
    if runner.runner is not None and runner.until is not None:
        drains = _holder(runner.runner, runner.until, at)
    return f"{drains}; {runner.queued:,} messages queued so far"


def _holder(name: str, until: datetime, at: datetime) -> str:
    left = until - at
    when = f"for {age_text(left)} more" if left.total_seconds() > 0 else "[yellow]expired[/]"
    return f"{escape(name.rpartition(':')[2])} {when}"


def _executions(standing: Standing) -> Table:
    facts = ("started", "took", "outcome")
    table = plain_table(*facts, "why", whole=facts, title="\nlast executions")
    for run in standing.executions:
        ok = {"SUCCEEDED": "green", "RUNNING": "yellow"}.get(run.status, "red")
        took = "" if run.stopped is None else f"{(run.stopped - run.started).total_seconds():.1f} s"
        why = cause_text(run.error, run.cause)
        table.add_row(
            f"{run.started:%H:%M:%S}", took, f"[{ok}]{run.status.lower()}[/]", escape(why[:200])
        )
    return table
