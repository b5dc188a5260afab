"""What needs a person, by how a deployment stands: each with its page of the runbook.

One look knows less than alarms that watch for minutes: what is under way is no trouble, and an
alarm that speaks is one whatever the look shows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from instep.cli.standing import Execution, Standing
from instep.flow.runner import DEATHS
from instep.wording import number_text

RUNBOOK: Final = "docs/runbook.md"
BEHIND: Final = timedelta(minutes=15)  # as the alarm of that name has it

_REDRIVE, _RUN, _VERIFY = "instep redrive --dry-run", "instep run", "instep verify"
_STATUS: Final = "instep watch"

_ENDED_BADLY: Final = {
    "FAILED": "executions-failed",
    "TIMED_OUT": "executions-timed-out",
    "ABORTED": "executions-aborted",
}


@dataclass(frozen=True)
class Trouble:
    """One thing, in a sentence, and the command to begin with; `page` of the runbook says more."""

    page: str
    what: str
    command: str

    def __str__(self) -> str:
        """All of it in a line."""
        return f"{self.what}: `{self.command}`, {RUNBOOK}#{self.page}"


def troubles(standing: Standing) -> list[Trouble]:
    """Return what needs a person, each page once; empty: nothing does."""
    found: dict[str, Trouble] = {}
    for trouble in _seen(standing):
        found.setdefault(trouble.page, trouble)
    for name in standing.alarms:  # of what one look has seen too, in its words
        found.setdefault(name, Trouble(name, f"the alarm {name} speaks", _STATUS))
    return list(found.values())


def _seen(standing: Standing) -> Iterator[Trouble]:
    unread = [each.collection for each in standing.collections if each.unreadable is not None]
    if unread:
        heads = " and ".join(unread)
        yield Trouble("executions-failed", f"the head of {heads} cannot be read", _VERIFY)
    if standing.dlq:
        held = f"the DLQ holds {number_text(standing.dlq, 'message')}"
        yield Trouble("dlq-holds-messages", held, _REDRIVE)
    inbox, runner = standing.inbox, standing.runner
    running = [run for run in standing.executions if run.status == "RUNNING"]
    if runner.deaths >= DEATHS:
        died = f"{runner.deaths} runners in a row died, and nobody follows"
        yield Trouble("nothing-runs", died, _RUN)
    elif inbox.visible and not running and not runner.is_live(standing.at):
        who = "nobody drains" if runner.runner is None else f"the runner {runner.runner} is dead"
        waits = f"{number_text(inbox.visible, 'message')} to be taken, and {who}"
        yield Trouble("nothing-runs", waits, _RUN)
    if not inbox.visible + inbox.in_flight + inbox.delayed:
        return
    last = next((run for run in standing.executions if run.stopped is not None), None)
    if last is not None and last.status in _ENDED_BADLY:
        yield Trouble(_ENDED_BADLY[last.status], _how_it_ended(last), _RUN)
    if running and _makes_no_version(standing, running[0]):
        yield Trouble("head-behind", f"{running[0].name} runs and publishes nothing", _VERIFY)


def _how_it_ended(run: Execution) -> str:
    why = f": {run.error}" if run.error else ""
    return f"the last run {run.status.lower().replace('_', ' ')}{why}, and messages wait"


def _makes_no_version(standing: Standing, run: Execution) -> bool:
    made = [each.created_at for each in standing.collections if each.created_at is not None]
    return standing.at - max([run.started, *made]) > BEHIND
