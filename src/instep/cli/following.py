"""An execution on the terminal, a state at a time, each with the time it took."""

import json
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from rich.markup import escape

from instep.cli.output import answers, remarks
from instep.cli.session import Session
from instep.local.executions import Outcome, Step, follow

if TYPE_CHECKING:
    from datetime import datetime

_CAUSE_WIDTH = 400
_AT_ONCE = 0.005  # seconds: a Choice or Pass state, not work


class StateTimes:
    """Pairs the entering of a state with its leaving; two of one name are paired in order."""

    def __init__(self) -> None:
        self._entered: dict[str, deque[datetime]] = defaultdict(deque)

    def seconds(self, step: Step) -> float | None:
        """Take a step in; return how long its state took when it leaves it."""
        waiting = self._entered[step.state]
        if step.what == "entered":
            waiting.append(step.at)
            return None
        if not waiting:
            return None
        began = waiting[0] if step.what == "failed" else waiting.popleft()
        return (step.at - began).total_seconds()


def follow_with_progress(
    session: Session, arn: str, timeout: float, also: Callable[[Step], None] = lambda _: None
) -> Outcome:
    """Print each state as it ends, and how the execution ended; StillRunning after `timeout` s."""
    times = StateTimes()
    answers.print(f"[bold]{escape(arn.rpartition(':')[2])}[/]")
    with remarks.status("started") as line:

        def report(step: Step) -> None:
            seconds = times.seconds(step)
            also(step)
            if step.what == "entered":
                line.update(f"{step.state} {step.collection or ''}")
            else:
                _print_step(step, seconds)

        outcome = follow(session.stepfunctions, arn, report, timeout)
    took = (outcome.stopped - outcome.started).total_seconds()
    colour = "green" if outcome.succeeded else "red"
    answers.print(f"  [{colour}]{outcome.status.lower()}[/] after {took:.2f} s")
    if outcome.error:
        answers.print(f"  [red]{escape(outcome.error)}[/]: {escape(outcome.cause or '')}")
    return outcome


def _print_step(step: Step, seconds: float | None) -> None:
    took = "" if seconds is None else f"{seconds:6.2f} s"
    where = f"[dim]{step.collection}[/]" if step.collection else ""
    if step.what == "failed":
        answers.print(f"  [red]✗[/] {step.state:<20} {took} {where} [red]{escape(_why(step))}[/]")
    elif seconds is not None and seconds < _AT_ONCE:
        answers.print(f"  [dim]· {step.state}[/]")
    else:
        answers.print(f"  [green]✓[/] {step.state:<20} {took} {where}")


def _why(step: Step) -> str:
    """Name the error and its message: a function's cause is a JSON object around it."""
    cause = step.cause or ""
    with suppress(ValueError, TypeError, KeyError):
        cause = str(json.loads(cause)["errorMessage"])
    return f"{step.error}: {cause[:_CAUSE_WIDTH]}"
