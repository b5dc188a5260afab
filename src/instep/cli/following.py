"""An execution on the terminal, a state at a time, each with the time it took; each cause once."""

from collections import defaultdict, deque
from typing import TYPE_CHECKING

from rich.markup import escape

from instep.cli.output import answers, remarks
from instep.cli.session import Session
from instep.flow.causes import cause_text
from instep.local.executions import Outcome, Step, follow
from instep.wording import number_text

if TYPE_CHECKING:
    from datetime import datetime

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


class ExecutionView:
    """Prints what happens in one execution."""

    def __init__(self) -> None:
        self._times = StateTimes()
        self._told: set[str] = set()

    def step(self, step: Step) -> None:
        """Print a step that ended: what failed with its reason, and a reason only once."""
        seconds = self._times.seconds(step)
        if step.what == "entered":
            return
        took = "" if seconds is None else f"{seconds:6.2f} s"
        where = f"[dim]{escape(step.collection)}[/]" if step.collection else ""
        if step.what == "failed":
            why = f"[red]{escape(self._why(step.error, step.cause))}[/]"
            answers.print(f"  [red]✗[/] {step.state:<20} {took} {where} {why}", soft_wrap=True)
        elif seconds is not None and seconds < _AT_ONCE:
            answers.print(f"  [dim]· {step.state}[/]")
        else:
            answers.print(f"  [green]✓[/] {step.state:<20} {took} {where}")

    def outcome(self, outcome: Outcome) -> None:
        """Print how it ended, and why unless a step has said it."""
        took = f"after {(outcome.stopped - outcome.started).total_seconds():.2f} s"
        if outcome.rejected:
            records = number_text(outcome.rejected, "record")
            answers.print(f"  [red]rejected {records}[/] {took}: in the DLQ")
            return
        colour = "green" if outcome.succeeded else "red"
        answers.print(f"  [{colour}]{outcome.status.lower()}[/] {took}")
        if outcome.error:
            why = self._why(outcome.error, outcome.cause)
            answers.print(f"  [red]{escape(why)}[/]", soft_wrap=True)

    def _why(self, error: str | None, cause: str | None) -> str:
        why = cause_text(error, cause)
        if why in self._told:
            return f"{error}, as above"
        self._told.add(why)
        return why


def follow_with_progress(session: Session, arn: str, timeout: float) -> Outcome:
    """Print each state as it ends, and how the execution ended; StillRunning after `timeout` s."""
    view = ExecutionView()
    answers.print(f"[bold]{escape(arn.rpartition(':')[2])}[/]")
    with remarks.status("started") as line:

        def report(step: Step) -> None:
            view.step(step)
            if step.what == "entered":
                line.update(f"{step.state} {step.collection or ''}")

        outcome = follow(session.stepfunctions, arn, report, timeout)
    view.outcome(outcome)
    return outcome
