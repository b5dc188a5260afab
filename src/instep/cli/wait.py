"""`instep wait`: is everything written so far in the head snapshots? Proved, not guessed.

An empty inbox proves nothing: a change may still be in the table's stream. What proves it is the
same reading that `verify` makes. A difference counts as arrived once a later reading agrees, so
that a table that goes on changing does not keep anybody waiting; one that waits in the DLQ does
not arrive by waiting for it.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import Annotated, Final

import typer

from instep.cli.drift import UNFINISHED, Progress, Reading, read_everything
from instep.cli.freshness import read_freshness, show_freshness
from instep.cli.letters import Letters
from instep.cli.options import DEFAULT_STACK, Aws, Json, Stack
from instep.cli.output import Exit, answers, complain, print_json, remarks
from instep.cli.session import Session, open_session
from instep.cli.standing import executions, inbox_of
from instep.clock import utc_now
from instep.domain import Difference
from instep.wording import number_text

EPILOG = "Example: [bold]instep wait --timeout 60 && instep query products cocoa[/]"
_POLL_SECONDS: Final = 0.3
_SHOWN: Final = 10
_QUIET_POLLS: Final = 10  # quiet for so long, another reading may find what the stream brought


def wait(
    *,
    timeout: Annotated[
        float, typer.Option(min=0, help="Seconds to wait, after a first reading.")
    ] = 300.0,
    aws: Aws = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Return 0 once everything written before this command is in the head snapshots.

    The proof is `verify`'s: the whole table against the heads, and no embedding run unfinished;
    so each look costs a Scan of the table, and is repeated only when a head has moved. After
    `--timeout` it says what is missing and exits 1. It cannot see a delta whose COMPACTION_RUN
    item nobody has written yet. An expiry that has passed while its item still lies in the table
    keeps nobody waiting.

    Exits 4 instead of 1 when all that is missing waits in the DLQ: a record of what it belongs
    to lies there, with the reason that is shown. Up to 1,000 of its messages are looked at.
    """
    session = open_session(aws=aws, stack=stack)
    collections = list(session.domain.collections)
    with remarks.status("reading") as line:
        missing = wait_for_everything(session, collections, timeout, line.update)
    if as_json:
        fresh = {name: asdict(each) for name, each in read_freshness(session, collections).items()}
        print_json(missing.as_document() | {"freshness": fresh})
    elif missing.nothing:
        answers.print("[green]in step[/]: everything written so far is in the head snapshots")
        show_freshness(read_freshness(session, collections), utc_now())
    else:
        _explain(session, missing)
    if not missing.nothing:
        raise typer.Exit(Exit.IN_DLQ if missing.is_in_dlq else Exit.NO)


@dataclass
class Missing:
    """What was not there at the start and has not arrived since; `letters` as last looked at."""

    differences: dict[tuple[str, str, str | None], Difference] = field(default_factory=dict)
    runs: dict[tuple[str, str], str] = field(default_factory=dict)
    letters: Letters = field(default_factory=Letters)

    def __str__(self) -> str:
        """Return how much it is, as a person reads it."""
        differences = number_text(len(self.differences), "difference")
        return f"{differences} and {number_text(len(self.runs), 'run')}"

    @property
    def nothing(self) -> bool:
        """Whether all has arrived."""
        return not self.differences and not self.runs

    @property
    def is_in_dlq(self) -> bool:
        """Whether all that is missing waits in the DLQ."""
        return all(map(self.letters.why, self.differences.values())) and all(
            self.letters.why_run(*run) for run in self.runs
        )

    def as_document(self) -> dict[str, object]:
        """Return what is missing as `--json` prints it."""
        return {
            "in_step": self.nothing,
            "differences": [
                vars(each) | {"waits_in_dlq": self.letters.why(each)}
                for each in self.differences.values()
            ],
            "runs": [
                {
                    "run": key,
                    "collection": collection,
                    "state": state,
                    "waits_in_dlq": self.letters.why_run(key, collection),
                }
                for (key, collection), state in self.runs.items()
            ],
            "dlq": {"looked_at": self.letters.looked_at, "whole": self.letters.whole},
        }

    def found_at_first(self, reading: Reading) -> None:
        """Take in everything the first reading found."""
        self.differences = {_key(each): each for each in reading.differences}
        self.runs = {key: state for key, state in reading.states.items() if state in UNFINISHED}

    def seen_again(self, reading: Reading) -> None:
        """Drop what this later reading agrees on; a run that FAILED stays, and says so."""
        now = {_key(each): each for each in reading.differences}
        self.differences = {key: now[key] for key in self.differences if key in now}
        states = reading.states
        self.runs = {
            key: states[key] for key in self.runs if states.get(key, "COMPLETED") != "COMPLETED"
        }


def _reading(session: Session, collections: Sequence[str], progress: Progress) -> Reading:
    """Read everything; an unreadable head proves nothing, so its error goes up."""
    reading = read_everything(session, collections, progress)
    for error in reading.unreadable.values():
        raise error
    return reading


def wait_for_everything(
    session: Session,
    collections: Sequence[str],
    timeout: float,
    progress: Progress,
    each_poll: Callable[[], object] = lambda: None,
) -> Missing:
    """Read everything, and wait for what is missing as `wait_for_the_rest`; return what still is.

    A first reading of a large table may take longer than anybody wants to wait after it, so
    `timeout` does not count it.
    """
    missing = Missing()
    missing.found_at_first(_reading(session, collections, progress))
    wait_for_the_rest(session, collections, missing, timeout, progress, each_poll)
    return missing


def wait_for_the_rest(
    session: Session,
    collections: Sequence[str],
    missing: Missing,
    timeout: float,
    progress: Progress,
    each_poll: Callable[[], object] = lambda: None,
) -> Reading | None:
    """Wait until nothing is missing or `timeout` seconds are over; return the last reading made.

    It ends before that when what is missing cannot arrive: runs that FAILED, and, once nothing is
    under way, what waits in the DLQ. A reading that was begun counts, however long it takes.
    `each_poll` is called between two looks: the demo shows executions there.
    """
    ends, last = monotonic() + timeout, None
    pause, quiet, moved = threading.Event(), 0, _heads(session, collections)
    while not missing.nothing and monotonic() < ends and not _only_failed(missing):
        pause.wait(_POLL_SECONDS)
        each_poll()
        heads, busy = _heads(session, collections), under_way(session)
        quiet = 0 if busy else quiet + 1
        progress(f"{missing} open; {busy}")
        if heads != moved or quiet == 2 or (quiet and quiet % _QUIET_POLLS == 0):
            moved = heads
            last = _reading(session, collections, progress)
            missing.seen_again(last)
            if quiet >= _QUIET_POLLS and not missing.nothing:
                missing.letters = Letters.read(session)
                if missing.is_in_dlq:
                    return last
    if not missing.nothing:
        missing.letters = Letters.read(session)
    return last


def _only_failed(missing: Missing) -> bool:
    """Whether nothing is left to wait for: FAILED is final."""
    states = set(missing.runs.values())
    return not missing.differences and bool(states) and states == {"FAILED"}


def _heads(session: Session, collections: Sequence[str]) -> list[str | None]:
    found = [session.objects.find(f"{collection}/HEAD") for collection in collections]
    return [None if head is None else head.etag for head in found]


def under_way(session: Session) -> str:
    """Say what is under way, or nothing when the pipeline rests."""
    depth = inbox_of(session).depth()
    running = executions(session, 10, running=True)
    said = {
        "in the inbox": depth.visible + depth.delayed,
        "in flight": depth.in_flight,
        "executions running": len(running),
    }
    return ", ".join(f"{count} {what}" for what, count in said.items() if count)


def _explain(session: Session, missing: Missing) -> None:
    letters = missing.letters
    found: list[tuple[str, str | None]] = [
        *((str(each), letters.why(each)) for each in missing.differences.values()),
        *(
            (f"{collection} of {key} is {state}", letters.why_run(key, collection))
            for (key, collection), state in missing.runs.items()
        ),
    ]
    waiting = sum(reason is not None for _, reason in found)
    complain(
        "in the DLQ" if missing.is_in_dlq else "not yet",
        f"{missing} open between table and heads; {waiting:,} of them in the DLQ",
    )
    for what, reason in sorted(found, key=lambda one: one[1] is not None)[:_SHOWN]:
        remarks.print(f"  {what}", markup=False)
        if reason is not None:
            remarks.print(f"    waits in the DLQ: {reason}", markup=False)
    if more := letters.shortfall():
        complain("not all", more)
    busy = under_way(session)
    rest = "nothing; `instep status` shows the last runs and the DLQ"
    remarks.print(f"under way: {busy or rest}", markup=False)
    if not busy and any(reason is None for _, reason in found):
        complain("no signal will come", "`instep sync` takes in what the stream never told of")


def _key(difference: Difference) -> tuple[str, str, str | None]:
    return difference.collection, difference.id, difference.field
