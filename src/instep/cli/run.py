"""`instep run`: start an execution and follow it a state at a time."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from instep.cli.following import follow_with_progress
from instep.cli.options import DEFAULT_STACK, Aws, Json, Stack
from instep.cli.output import Exit, Refused, print_json
from instep.cli.session import open_session
from instep.local.executions import follow, start

EPILOG = "Example: [bold]instep run --records examples/console_input.json[/]"
_INPUT_BYTES: Final = 262_144  # Step Functions takes no more


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

    Without `--records` it drains the inbox. Exit status 0 if it succeeded, 1 if it failed; 3 if it
    still runs after `--timeout` (it goes on).
    """
    given = "{}" if records is None else read_input(records)
    session = open_session(aws=aws, stack=stack)
    arn = start(session.stepfunctions, session.deployment.state_machine_arn, given)
    if as_json:
        steps: list[dict[str, Any]] = []
        outcome = follow(
            session.stepfunctions, arn, lambda step: steps.append(asdict(step)), timeout
        )
        print_json({**asdict(outcome), "steps": steps})
    else:
        outcome = follow_with_progress(session, arn, timeout)
    if not outcome.succeeded:
        raise typer.Exit(Exit.NO)


def read_input(path: Path) -> str:
    """Return the execution's input in `path`; what shape it must have is ParseBatch's to judge.

    Refused when it is not JSON or larger than an execution's input can be.
    """
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text()
        document = json.loads(text)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise Refused(f"{path} is not JSON: {error}") from error
    compact = json.dumps({"Records": document} if isinstance(document, list) else document)
    if len(compact.encode()) > _INPUT_BYTES:
        raise Refused(
            f"{path} is {len(compact):,} bytes as input, an execution takes {_INPUT_BYTES:,}: "
            f"split it, or send it to the inbox (INBOX_QUEUE_URL) and run without --records"
        )
    return compact
