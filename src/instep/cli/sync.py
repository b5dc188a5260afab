"""`instep sync`: the whole table and the snapshots brought in step, and the proof that they are.

It is an execution of the machine that goes through the table; this starts it, or finds one that
runs, follows it, and reads everything once it is over. So it may be ended and started again.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Annotated, Any

import typer
from rich.markup import escape

from instep.cli.drift import Progress, Reading, read_everything
from instep.cli.options import DEFAULT_STACK, Aws, Collections, Json, Stack
from instep.cli.output import Exit, answers, complain, print_json, remarks
from instep.cli.preflight import remark_on_stream
from instep.cli.session import Session, open_session
from instep.cli.syncing import (
    Followed,
    Written,
    drained,
    find_or_start,
    follow_sync,
    heads_of,
    take_over_successors,
    written_since,
)
from instep.cli.wait import Missing, wait_for_the_rest
from instep.domain import Difference
from instep.flow.causes import cause_text
from instep.wording import number_text

EPILOG = "Example: [bold]instep sync --dry-run[/], and then [bold]instep sync[/]"
_SHOWN = 20
_PATIENCE = 60.0  # seconds for what live traffic has brought meanwhile


def sync(
    collection: Collections = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what differs, and start nothing.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to follow it.")] = 21_600.0,
    aws: Aws = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Go through the whole table, write what the snapshots lack or have wrong, and prove it.

    For a table that was there before, after a rollback, a restore or a lost message. Only
    differences are written: a second one makes no version. Live changes go on meanwhile. Ended and
    started again it follows the execution that runs, or begins anew, which changes nothing.

    Exit status 0 when all is in step, 1 when something differs still; with `--dry-run`, when
    anything does. 3 if it still runs after `--timeout` (it goes on).
    """
    session = open_session(aws=aws, stack=stack)
    chosen = session.chosen(collection)
    stream = remark_on_stream(session.target, session.deployment.dynamodb_table_name)
    if stream is not None:
        remarks.print(f"[yellow]note[/]: {escape(stream)}", soft_wrap=True)
    with remarks.status("reading") as line:
        if dry_run:
            reading = read_everything(session, chosen, line.update)
            result = Result(reading, Missing())
            result.missing.found_at_first(reading)
        else:
            result = through(session, chosen, timeout, line.update)
    if as_json:
        print_json(result.as_document())
    else:
        show(result, dry_run=dry_run)
    if not result.in_step:
        raise typer.Exit(Exit.NO)


@dataclass
class Result:
    """The last reading, what it found missing that has not arrived since, and how that came."""

    reading: Reading
    missing: Missing
    followed: Followed | None = None
    written: Mapping[str, Written] | None = None
    seconds: float = 0.0  # until all of it was applied; the proof comes after that

    @property
    def in_step(self) -> bool:
        """Whether nothing is left to be done, and nothing failed."""
        failed = self.followed is not None and self.followed.status != "SUCCEEDED"
        return self.missing.nothing and not self.reading.unreadable and not failed

    def as_document(self) -> dict[str, object]:
        """Return it as `--json` prints it."""
        document: dict[str, object] = {"in_step": self.in_step}
        if self.followed is not None:
            document |= {
                "execution": self.followed.arn,
                "status": self.followed.status,
                "error": self.followed.error,
                "cause": self.followed.cause,
                "items_seen": self.followed.seen,
                "records_queued": self.followed.sent,
                "seconds": round(self.seconds, 1),
                "written": {name: asdict(one) for name, one in (self.written or {}).items()},
            }
        kinds: dict[str, list[Any]] = {"added": [], "changed": [], "removed": []}
        for each in self.missing.differences.values():
            kinds[kind_of(each)].append(vars(each))
        runs = self.missing.as_document()["runs"]
        unreadable = {name: str(error) for name, error in self.reading.unreadable.items()}
        without = {name: list(ids) for name, ids in self.reading.unembedded.items()}
        return document | kinds | {"runs": runs, "unreadable": unreadable, "unembedded": without}


def kind_of(difference: Difference) -> str:
    """Say what a sync does about a difference."""
    if difference.field is not None:
        return "changed"
    return "added" if difference.missing else "removed"


def show(result: Result, *, dry_run: bool) -> None:
    """Print what was done, or would be, and what is left."""
    if result.followed is not None:
        _show_work(result.followed, result.written or {})
    for name, error in result.reading.unreadable.items():
        complain(f"unreadable {name}", str(error))
    left = result.missing.differences.values()
    counts = Counter(map(kind_of, left))
    if left:
        what = "to be" if dry_run else "still to be"
        said = ", ".join(f"{counts[one]:,} {one}" for one in ("added", "changed", "removed"))
        answers.print(f"{what}: {said}")
        for each in list(left)[:_SHOWN]:
            answers.print(f"  {each}", markup=False)
        if len(left) > _SHOWN:
            answers.print(f"  and {len(left) - _SHOWN:,} more (--json lists all)")
    for (key, name), state in list(result.missing.runs.items())[:_SHOWN]:
        answers.print(f"  {name} of {key} is {state}", markup=False)
    for name, ids in result.reading.unembedded.items():
        if ids:
            answers.print(
                f"{name}: {number_text(len(ids), 'item')} without an embedding (--json lists them)"
            )
    if result.in_step:
        compared = number_text(sum(result.reading.compared.values()), "embedding")
        answers.print(f"[green]in step[/]: {compared} compared with the table")


def _show_work(followed: Followed, written: Mapping[str, Written]) -> None:
    seen, sent = number_text(followed.seen, "item"), number_text(followed.sent, "record")
    answers.print(f"{seen} seen, {sent} queued")
    for name, one in written.items():
        said = ", ".join(f"{key.replace('_', ' ')} {n:,}" for key, n in one.counts.items() if n)
        versions = number_text(one.versions, "version")
        answers.print(f"{name}: {said or 'nothing written'}, in {versions}")
    if followed.status != "SUCCEEDED":
        said = cause_text(followed.error, followed.cause)
        complain(f"the sync {followed.status.lower()}", said)


def through(session: Session, chosen: list[str], timeout: float, update: Progress) -> Result:
    """Have the table gone through and all that follows applied; then read everything."""
    began = monotonic()
    ends = began + timeout
    before = heads_of(session, chosen)
    arn, is_new = find_or_start(session, chosen)
    if not is_new:
        remarks.print(f"{arn.rpartition(':')[2]} runs already: following it", markup=False)
    followed = follow_sync(session, arn, timeout, update)
    ended_well = followed.status == "SUCCEEDED"  # else it has to be started again: wait for nothing
    is_through = ended_well and drained(session, chosen, ends - monotonic(), update)
    if is_through and is_new:  # one that began before may have begun with another mapping
        take_over_successors(session, chosen)
    seconds = monotonic() - began
    reading, missing = read_everything(session, chosen, update), Missing()
    missing.found_at_first(reading)
    if ended_well and not missing.nothing and not reading.unreadable:
        # of live changes some are always on their way
        reading = wait_for_the_rest(session, chosen, missing, _PATIENCE, update) or reading
    return Result(reading, missing, followed, written_since(session, before), seconds)
