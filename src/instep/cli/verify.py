"""`instep verify`: every page against its hash, and every embedding against the table, judged by an
independent reading.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.markup import escape

from instep.cli.drift import Reading, read_everything
from instep.cli.letters import Letters
from instep.cli.options import DEFAULT_STACK, Aws, Collections, Json, Stack
from instep.cli.output import (
    Exit,
    answers,
    bytes_text,
    complain,
    plain_table,
    print_json,
    remarks,
)
from instep.cli.session import Session, open_session
from instep.cli.snapshots import unreachable
from instep.domain import Difference
from instep.wording import number_text

EPILOG = "Example: [bold]instep verify products --json | jq .differences[0][/]"
_SHOWN = 20
_SEARCHES = 200


@dataclass(frozen=True)
class Searched:
    """How many embeddings were looked for, and the ids of those no search found."""

    asked: int
    lost: Sequence[str]


def verify(
    collection: Collections = None,
    *,
    search: Annotated[
        bool, typer.Option("--search", help=f"Look for {_SEARCHES} by their own vectors, too.")
    ] = False,
    aws: Aws = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Check every hash of the heads, and compare every embedding with the table; exit 1 on a no.

    What each embedding should carry, the domain works out from the whole table; a document is
    compared where the domain makes it, a vector by what it says it was made of. Costs a Scan of the
    table and a verified copy of each head. Changes that are still on their way show as differences:
    `instep wait` first. An expiry that has passed while its item still lies in the table is no
    difference.

    Exits 4 instead of 1 when all that differs waits in the DLQ: a record of what the embedding
    belongs to lies there, with the reason that is shown. Up to 1,000 of its messages are looked at.

    With `--search` an embedding that its own vector does not find is a no as well: Chroma's index
    does not reach it (docs/mapping.md, "Many of one text").
    """
    session = open_session(aws=aws, stack=stack)
    chosen = session.chosen(collection)
    with remarks.status("reading") as line:
        reading = read_everything(session, chosen, line.update)
        letters = Letters.read(session) if reading.differences else Letters()
        line.update("searching")
        searched = search_each(session, reading) if search else {}
    if as_json:
        print_json(as_document(reading, letters, searched))
    else:
        show(reading, letters, searched)
    if any(each.lost for each in searched.values()):
        raise typer.Exit(Exit.NO)
    if not reading.in_step:
        lost = reading.unreadable or not all(map(letters.why, reading.differences))
        raise typer.Exit(Exit.NO if lost else Exit.IN_DLQ)


def search_each(session: Session, reading: Reading) -> dict[str, Searched]:
    """Look for some embeddings of each head that was read, by their own vectors."""
    return {
        collection: Searched(*unreachable(session, collection, version, _SEARCHES))
        for collection, version in reading.versions.items()
        if version is not None and collection not in reading.unreadable
    }


def as_document(
    reading: Reading, letters: Letters, searched: Mapping[str, Searched]
) -> dict[str, object]:
    """Return the reading as `--json` prints it."""
    return {
        "in_step": reading.in_step,
        "unreadable": {collection: str(error) for collection, error in reading.unreadable.items()},
        "checked": {collection: vars(checked) for collection, checked in reading.checked.items()},
        "compared": dict(reading.compared),
        "versions": dict(reading.versions),
        "differences": [
            vars(difference) | {"waits_in_dlq": letters.why(difference)}
            for difference in reading.differences
        ],
        "dlq": {"looked_at": letters.looked_at, "whole": letters.whole},
        "searched": {collection: vars(each) for collection, each in searched.items()},
    }


def show(reading: Reading, letters: Letters, searched: Mapping[str, Searched]) -> None:
    """Print what was compared, and the first differences with a count by field."""
    for collection, compared in reading.compared.items():
        if collection in reading.unreadable:
            complain("unreadable", str(reading.unreadable[collection]))
            continue
        found = sum(each.collection == collection for each in reading.differences)
        verdict = f"[red]{number_text(found, 'difference')}[/]" if found else "[green]in step[/]"
        version = reading.versions[collection] or "no version yet"
        answers.print(
            f"{collection}: {number_text(compared, 'embedding')} compared, {verdict}  "
            f"[dim]{version}[/]"
        )
        checked = reading.checked[collection]
        answers.print(
            f"  [dim]{number_text(checked.packs, 'pack')}, {bytes_text(checked.bytes)}: every page "
            f"is what its hash says[/]"
        )
        if collection in searched:
            _show_search(searched[collection])
    if not reading.differences:
        return
    _show_differences(reading.differences, letters)


def _show_search(searched: Searched) -> None:
    if not searched.lost:
        answers.print(f"  [dim]{searched.asked:,} of them, searched for, are all found[/]")
        return
    answers.print(
        f"  [red]{len(searched.lost):,} of {searched.asked:,}, searched for, are not found[/], "
        f"such as {escape(searched.lost[0])}"
    )
    answers.print("  [dim]docs/mapping.md, 'Many of one text', says why, and what helps[/]")


def _show_differences(differences: Sequence[Difference], letters: Letters) -> None:
    """Print them, those first that nothing explains."""
    table = plain_table("embedding", "field", "carried", "the table says")
    for difference in sorted(differences, key=lambda one: letters.why(one) is not None)[:_SHOWN]:
        row = [f"[red]{difference.what}[/]", "", "by the table"]
        if difference.field is not None:
            values = (difference.carried, difference.expected)
            row = [escape(difference.what), *(escape(repr(value)) for value in values)]
        table.add_row(escape(difference.id), *row)
        if reason := letters.why(difference):
            table.add_row(f"  [yellow]waits in the DLQ[/]: {escape(reason)}")
    answers.print(table)
    left = len(differences) - _SHOWN
    if left > 0:
        answers.print(f"and {left:,} more (--json lists all)")
    fields = Counter(each.what for each in differences)
    told = ", ".join(f"{field} {count:,}" for field, count in fields.most_common())
    answers.print(told, markup=False)
    waiting = sum(letters.why(each) is not None for each in differences)
    if waiting:
        found = number_text(len(differences), "difference")
        answers.print(f"of {found}, {waiting:,} in the DLQ")
    if more := letters.shortfall():
        complain("not all", more)
