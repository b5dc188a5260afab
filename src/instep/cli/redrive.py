"""`instep redrive`: what was set aside goes back into the inbox, once its cause is gone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from instep.cli.options import DEFAULT_STACK, Aws, Json, Stack, known_collection
from instep.cli.output import Exit, answers, complain, print_json, remarks
from instep.cli.session import Session, open_session
from instep.cli.standing import inbox_of
from instep.flow.dead_letters import DeadLetters
from instep.flow.redriving import Redriven, Source, Wanted
from instep.flow.redriving import redrive as send_again
from instep.flow.runner import RunnerTable
from instep.flow.starter import Starter
from instep.wording import number_text

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

EPILOG = "Example: [bold]instep redrive --reason 'no vector' --dry-run[/]"
_SHOWN = 20


def redrive(
    *,
    reason: Annotated[
        str | None,
        typer.Option(help="Only what was set aside with a reason that holds this text."),
    ] = None,
    collection: Annotated[
        str | None,
        typer.Option(
            help="Only what was set aside for this collection alone.", callback=known_collection
        ),
    ] = None,
    from_failures: Annotated[
        bool,
        typer.Option(
            "--from-failures", help="Stream batches of the failures bucket instead of the DLQ."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")
    ] = False,
    aws: Aws = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Send what was set aside once more, as if it were new, and have a run drain it.

    It is deleted only after it was sent: ended at any moment and started again, nothing is lost,
    and what was sent twice changes nothing. What is wrong still comes back to the DLQ, with its
    reason. A batch of the failures bucket is whole: it is for every collection it feeds.

    Exit status 1 when something cannot be sent and stays where it is: it is named.
    """
    if from_failures and collection is not None:
        raise typer.BadParameter("a batch of the failures bucket is for all that it feeds", None)
    session = open_session(aws=aws, stack=stack)
    wanted = Wanted(reason, collection)
    with remarks.status("reading what was set aside") as line:
        done = send_again(
            _source(session, from_failures=from_failures),
            inbox_of(session),
            starter_of(session, stack),
            wanted,
            dry_run=dry_run,
            progress=lambda seen, of: line.update(f"{seen:,} of {of:,} looked at"),
        )
    if as_json:
        print_json({"dry_run": dry_run, **vars(done)})
    else:
        show(done, ("batch", "batches") if from_failures else ("letter",), dry_run=dry_run)
    if done.problems:
        raise typer.Exit(Exit.NO)


def starter_of(session: Session, stack: str) -> Starter:
    """Return what announces queued work of a deployment, the stack of this name."""
    events: EventBridgeClient = session.target.client("events")
    runner = RunnerTable(session.dynamodb, session.deployment.lock_table_name)
    return Starter(runner, events, session.deployment.event_bus_name, stack)


def show(done: Redriven, what: Sequence[str], *, dry_run: bool) -> None:
    """Print what was sent by its reason, and what stays."""
    verb = "would send" if dry_run else "sent"
    answers.print(
        f"{verb} {number_text(done.sent.total(), *what)} again, "
        f"{number_text(done.records, 'record')}; left {done.left + len(done.problems):,}"
    )
    for reason, count in done.sent.most_common(_SHOWN):
        answers.print(f"  {count:>6,}  {escape(reason)}", soft_wrap=True)
    if done.rejected:
        went = "would go" if dry_run else "went"
        answers.print(
            f"{number_text(done.rejected, 'record')} {went} to the DLQ: nobody can read them"
        )
    for problem in done.problems[:_SHOWN]:
        complain("stays", problem)


def _source(session: Session, *, from_failures: bool) -> Source:
    if not from_failures:
        return DeadLetters(session.sqs, session.deployment.dlq_url)
    from instep.aws.objects import Objects  # boto3, which no help needs
    from instep.flow.failed_batches import FailedBatches

    objects = Objects(session.target.client("s3"), session.deployment.failures_bucket)
    return FailedBatches(objects, session.domain)
