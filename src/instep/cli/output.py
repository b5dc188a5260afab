"""Where a command speaks: answers on stdout, progress and complaints on stderr; JSON on demand."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, Final, NoReturn

import typer
from rich.console import Console
from rich.text import Text

answers: Final = Console(highlight=False)
remarks: Final = Console(stderr=True, highlight=False)


class Exit(IntEnum):
    """What the exit status means; `instep --help` says the same."""

    DONE = 0
    NO = 1
    USAGE = 2
    REFUSED = 3
    IN_DLQ = 4
    """Not in step, but nothing is lost: all that differs waits in the DLQ with its reason."""


EXIT_HELP: Final = (
    "[bold]Exit status[/]: 0 done, the answer is yes; 1 the answer is no (drift, damage, still "
    "missing, a run failed); 2 wrong usage; 3 it could not be done (no local cloud, not deployed, "
    "AWS said no): the message says why and what to do; 4 the answer is no, but all that is "
    "missing waits in the DLQ with its reason."
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
