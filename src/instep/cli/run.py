"""`instep run`: start an execution and follow it a state at a time."""

import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.markup import escape

from instep.cli.following import follow_with_progress
from instep.cli.options import DEFAULT_STACK, Aws, Json, Stack
from instep.cli.output import Exit, Refused, answers, complain, print_json
from instep.cli.rejections import reasons_of
from instep.cli.session import open_session
from instep.local.executions import follow, start

EPILOG = "Example: [bold]instep run --records examples/console_input.json[/]"
_INPUT_BYTES: Final = 262_144  # Step Functions takes no more
_REASONS: Final = 8


def run(
    *,
    records: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='Input: {"Records": [...]} or a list of stream or SQS records; - is stdin.',
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to follow it.")] = 3600.0,
    aws: Aws = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Start an execution, show each state with its time, and what failed and why.

    Without `--records` it drains the inbox. Exit status 0 if all that was taken is applied; 1 if
    the execution failed or records were rejected, which lie in the DLQ; 3 if it still runs after
    `--timeout` (it goes on).
    """
    given = "{}" if records is None else read_input(records)
    session = open_session(aws=aws, stack=stack)
    client = session.stepfunctions
    arn = start(client, session.deployment.state_machine_arn, given)
    steps: list[dict[str, Any]] = []
    try:
        if as_json:
            outcome = follow(client, arn, lambda step: steps.append(asdict(step)), timeout)
        else:
            outcome = follow_with_progress(session, arn, timeout)
    except KeyboardInterrupt:
        complain("interrupted", "the execution goes on: `instep status` shows it")
        raise
    reasons = Counter[str]()
    if outcome.rejected:
        execution = arn.rpartition(":")[2]
        reasons = reasons_of(session, execution)
    if as_json:
        print_json({**asdict(outcome), "rejections": dict(reasons), "steps": steps})
    else:
        _show_rejections(reasons)
    if outcome.rejected or not outcome.succeeded:
        raise typer.Exit(Exit.NO)


def _show_rejections(reasons: Counter[str]) -> None:
    for reason, count in reasons.most_common(_REASONS):
        answers.print(f"    {count:,} x [red]{escape(reason)}[/]", soft_wrap=True)
    if reasons:
        answers.print("  [bold]instep status[/] names the records")


def read_input(path: Path) -> str:
    """Return the execution's input in `path`; what shape it must have is ParseBatch's to judge.

    Refused when it is not JSON, when a record is no object, and so could be nobody's, or when it
    is larger than an execution's input can be.
    """
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text()
        document = json.loads(text, parse_constant=_refuse_constant)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Refused(f"{path} is not JSON: {error}") from error
    given = {"Records": document} if isinstance(document, list) else document
    _require_objects(path, given)
    compact = json.dumps(given)
    if len(compact.encode()) > _INPUT_BYTES:
        raise Refused(
            f"{path} is {len(compact):,} bytes as input, an execution takes {_INPUT_BYTES:,}: "
            f"split it, or send it to the inbox (INBOX_QUEUE_URL) and run without --records"
        )
    return compact


def _require_objects(path: Path, given: Any) -> None:
    records = given.get("Records") if isinstance(given, dict) else None
    for number, record in enumerate(records if isinstance(records, list) else []):
        if not isinstance(record, dict):
            raise Refused(
                f"{path}: record {number} is {json.dumps(record)[:80]}, and no object: give records"
                f" of a DynamoDB stream, or SQS messages that hold such"
            )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is Python's, no number of JSON's")
