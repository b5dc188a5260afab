"""Where a command speaks: answers on stdout, progress and complaints on stderr; JSON on demand."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, Final, NoReturn

import typer
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from instep.cli.console import Answers, Remarks

_RULE: Final = 80

remarks: Final = Remarks(stderr=True, highlight=False)
answers: Final = Answers(remarks, highlight=False)


class Exit(IntEnum):
    """What the exit status means; `instep --help` says the same."""

    DONE = 0
    NO = 1
    USAGE = 2
    REFUSED = 3
    """It could not be done, or not be found out; an error of ours, too."""
    IN_DLQ = 4
    """Not in step, but nothing is lost: all that differs waits in the DLQ with its reason."""
    INTERRUPTED = 130
    """By Ctrl-C, as shells number it."""


EXIT_HELP: Final = (
    "[bold]Exit status[/]: 0 done, the answer is yes; 1 the answer is no (drift, damage, still "
    "missing, a run failed or rejected records); 2 wrong usage; 3 it could not be done or found "
    "out (no local cloud, not deployed, AWS said no): the message says why and what to do; 4 the "
    "answer is no, but all that is missing waits in the DLQ with its reason; 130 interrupted."
)


class Refused(Exception):
    """A command cannot do what was asked; the message says why and what to do instead."""


def say_no(message: str) -> NoReturn:
    """Explain on stderr and leave with status 1."""
    complain("no", message)
    raise typer.Exit(Exit.NO)


def complain(title: str, message: str) -> None:
    """Print an expected error: one red word, then what to do. Never a traceback.

    In one line, which the terminal may wrap: a command in it is there to be copied.
    """
    remarks.print(Text.assemble((f"{title}: ", "bold red"), message), soft_wrap=True)


def ask(question: str, *, yes: bool) -> None:
    """Go on if `yes` or a person says so; status 1 at a no, Refused where nobody can be asked."""
    if yes:
        return
    require_somebody()
    if not typer.confirm(question, err=True):
        say_no("nothing was done")


def require_somebody() -> None:
    """Refused where nobody can be asked; for before a long preparation."""
    if not _somebody_is_there():
        raise Refused("nobody is there to say yes: give --yes to do it")


def _somebody_is_there() -> bool:
    return remarks.is_terminal and sys.stdin.isatty()


def plain_table(
    *headings: str, right: Sequence[str] = (), whole: Sequence[str] = (), title: str | None = None
) -> Table:
    """Return a table without lines. A cell is folded where the terminal is narrow, never cut.

    Numbers, in the columns `right`, keep together; so do the columns `whole`.
    """
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    for heading in headings:
        justify: Any = "right" if heading in right else "left"
        together = heading in right or heading in whole
        table.add_column(
            heading, header_style="dim", justify=justify, no_wrap=together, overflow="fold"
        )
    return table


def headline(text: str) -> None:
    """Head a part of what follows; across the terminal, and not endless in a pipe."""
    answers.print(Rule(f"[bold]{text}[/]", align="left", style="cyan"), width=_rule_width())


def _rule_width() -> int:
    return answers.width if answers.is_terminal else _RULE


def print_json(document: Any) -> None:
    """Print one JSON document on stdout, plain, so that it can be piped."""
    typer.echo(json.dumps(document, indent=2, default=plain, ensure_ascii=False))


@contextmanager
def fetching(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show what is being done and, as it is told bytes done and bytes in all, how far it is."""
    with remarks.status(what) as line:
        yield lambda done, total: line.update(f"{what}  {bytes_text(done)} of {bytes_text(total)}")


def bytes_text(count: int) -> str:
    """Return a size as people read it: 812 B, 4.2 KB, 178 MB (powers of 1,000)."""
    if count < 1000:
        return f"{count} B"
    size, units = count / 1000, ["KB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.0f} {units[0]}" if size >= 10 else f"{size:.1f} {units[0]}"


def age_text(age: timedelta) -> str:
    """Return an age in its largest unit that is not zero: 12 s, 3 min, 5 h, 2 d."""
    seconds = max(0, int(age.total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def plain(value: object) -> str:
    """Return what JSON has no form for as text; TypeError for what is none of ours."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")
