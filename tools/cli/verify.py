"""`instep verify`: every page against its hash, and every embedding against the table, judged by an
independent reading.
"""

from collections import Counter

import typer
from rich.markup import escape
from rich.table import Table

from receipt_dynamo_stream import ChromaDBCollection
from tools.cli.drift import Reading, read_everything
from tools.cli.options import DEFAULT_STACK, Aws, Collections, Json, Stack
from tools.cli.output import Exit, answers, bytes_text, complain, print_json, remarks
from tools.cli.session import open_session

EPILOG = "Example: [bold]instep verify words --json | jq .differences[0][/]"
_SHOWN = 20


def verify(
    collection: Collections = None,
    *,
    aws: Aws = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Check every hash of the heads, and compare every embedding with the table; exit 1 on a no.

    What each embedding should carry is worked out by tools/oracle.py, which shares no code with
    the pipeline. Costs a Scan of the table and a verified copy of each head. Changes that are
    still on their way show as differences: `instep wait` first.
    """
    session = open_session(aws=aws, stack=stack)
    chosen = [each.value for each in ChromaDBCollection if collection in (None, each)]
    with remarks.status("reading") as line:
        reading = read_everything(session, chosen, line.update)
    if as_json:
        print_json(as_document(reading))
    else:
        show(reading)
    if not reading.in_step:
        raise typer.Exit(Exit.NO)


def as_document(reading: Reading) -> dict[str, object]:
    """Return the reading as `--json` prints it."""
    return {
        "in_step": reading.in_step,
        "damaged": {collection: str(error) for collection, error in reading.damaged.items()},
        "checked": {collection: vars(checked) for collection, checked in reading.checked.items()},
        "compared": dict(reading.compared),
        "versions": dict(reading.versions),
        "differences": [vars(difference) for difference in reading.differences],
    }


def show(reading: Reading) -> None:
    """Print what was compared, and the first differences with a count by field."""
    for collection, compared in reading.compared.items():
        if collection in reading.damaged:
            complain("damaged", str(reading.damaged[collection]))
            continue
        found = sum(each.collection == collection for each in reading.differences)
        verdict = f"[red]{found:,} differences[/]" if found else "[green]in step[/]"
        version = reading.versions[collection] or "no version yet"
        answers.print(
            f"{collection}: {compared:,} embeddings compared, {verdict}  [dim]{version}[/]"
        )
        checked = reading.checked[collection]
        answers.print(
            f"  [dim]{checked.packs:,} packs, {bytes_text(checked.bytes)}: every page is what its "
            f"hash says[/]"
        )
    if not reading.differences:
        return
    table = Table("embedding", "field", "carried", "the table says", box=None, pad_edge=False)
    for difference in reading.differences[:_SHOWN]:
        if difference.field is None:
            table.add_row(difference.id, "[red]should not be there[/]", "", "no such item")
        else:
            carried, wanted = (repr(each) for each in (difference.carried, difference.expected))
            table.add_row(difference.id, difference.field, escape(carried), escape(wanted))
    answers.print(table)
    left = len(reading.differences) - _SHOWN
    if left > 0:
        answers.print(f"and {left:,} more (--json lists all)")
    fields = Counter(each.field or "should not be there" for each in reading.differences)
    answers.print(", ".join(f"{field} {count:,}" for field, count in fields.most_common()))
