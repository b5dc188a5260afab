"""`instep diff`: what two versions of a collection have that differs."""

import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from instep.brief import DOCUMENT
from instep.cli.options import DEFAULT_STACK, Aws, Collection, Json, Stack
from instep.cli.output import Exit, answers, fetching, print_json
from instep.cli.session import open_session
from instep.difference import Value
from instep.snapshot.acts.comparing import Changed, What, read_both
from instep.snapshot.copy.at import manifest_at
from instep.snapshot.copy.store import SnapshotStore

EPILOG = "Example: [bold]instep diff products before-the-sale 2026-11-25T10:00[/]"
_SHOWN = 50
_WIDTH = 60  # of a value, as it is shown
_COLOURS = {What.ADDED: "green", What.REMOVED: "red", What.CHANGED: "yellow"}


def diff(
    collection: Collection,
    before: Annotated[
        str,
        typer.Argument(metavar="VERSION|TAG|TIME", help="The one version.", show_default=False),
    ],
    after: Annotated[
        str,
        typer.Argument(metavar="VERSION|TAG|TIME", help="The other one.", show_default=False),
    ],
    *,
    aws: Aws = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """List embeddings that were added, removed or changed between two versions, and their fields.

    Only the databases are fetched, never an index. So of vectors it tells that they were written,
    and once a fold lies between the versions not even that: it says so.

    Exit status 0 when they carry the same, 1 when they differ.
    """
    store = SnapshotStore(open_session(aws=aws, stack=stack).objects, collection)
    first, second = manifest_at(store, before), manifest_at(store, after)
    with (
        tempfile.TemporaryDirectory(prefix="instep-diff-") as folder,
        fetching(f"reading {collection}") as progress,
    ):
        both = read_both(store, first, second, Path(folder), progress)
        counts, listed = _counted(both.changes(), None if as_json else _SHOWN)
    if as_json:
        document = {"collection": collection, "before": first.version, "after": second.version}
        print_json(
            document
            | {"folded_between": both.folded, **{str(what): counts[what] for what in What}}
            | {"changes": [_document(one) for one in listed]}
        )
    else:
        show(counts, listed, folded=both.folded)
    if counts.total():
        raise typer.Exit(Exit.NO)


def show(counts: Counter[What], listed: list[Changed], *, folded: bool) -> None:
    """Print the changes, then how many there are."""
    for one in listed:
        answers.print(f"[{_COLOURS[one.what]}]{one.what:<8}[/] {escape(one.id)}", soft_wrap=True)
        for name, (old, new) in one.fields.items():
            name = "document" if name == DOCUMENT else name
            answers.print(
                f"           {escape(name)}: {escape(_shown(old))} -> {escape(_shown(new))}",
                soft_wrap=True,
            )
        if one.vector:
            answers.print("           its vector was written")
    if counts.total() > len(listed):
        answers.print(f"and {counts.total() - len(listed):,} more (--json lists all)")
    answers.print(", ".join(f"{counts[what]:,} {what}" for what in What))
    if folded:
        answers.print("a fold lies between: whether vectors were written, this cannot tell")


def _counted(changes: Iterable[Changed], most: int | None) -> tuple[Counter[What], list[Changed]]:
    """Count all changes and keep the first of them."""
    counts, kept = Counter[What](), list[Changed]()
    for one in changes:
        counts[one.what] += 1
        if most is None or len(kept) < most:
            kept.append(one)
    return counts, kept


def _document(one: Changed) -> dict[str, Any]:
    fields = {name: {"before": old, "after": new} for name, (old, new) in one.fields.items()}
    return {"id": one.id, "what": one.what, "fields": fields, "vector_written": one.vector}


def _shown(value: Value | None) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
