"""`instep tag`: versions under names of their own, which no sweep takes."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from instep.cli.options import DEFAULT_STACK, Aws, Collection, Json, Stack
from instep.cli.output import answers, plain_table, print_json
from instep.cli.rollback import who
from instep.cli.session import open_session
from instep.snapshot.acts.tagging import tag as give
from instep.snapshot.acts.tagging import untag
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.copy.tags import Tag, read_tags

EPILOG = "Example: [bold]instep tag products 2026-11-25T10:00 before-the-sale[/]"


def tag(
    collection: Collection,
    version: Annotated[
        str | None,
        typer.Argument(
            metavar="[VERSION|TAG|TIME]", help="What is to be named.", show_default=False
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Argument(help="Its name: a-z, 0-9, '.', '_', '-'.", show_default=False)
    ] = None,
    *,
    delete: Annotated[
        str | None, typer.Option("--delete", metavar="NAME", help="Take this name away.")
    ] = None,
    aws: Aws = False,
    stack: Stack = DEFAULT_STACK,
    as_json: Json = False,
) -> None:
    """Name a version, which keeps it until the name is deleted; without arguments, list the names.

    Wherever a version is taken, its name is: `instep query --at NAME`, `instep rollback COLLECTION
    NAME`, `open_snapshot(at=NAME)`. A name is never moved: delete it, and give it anew.
    """
    if (version is None) != (name is None) or (delete is not None and version is not None):
        raise typer.BadParameter("give VERSION and NAME, or --delete NAME, or none of them")
    store = SnapshotStore(open_session(aws=aws, stack=stack).objects, collection)
    if delete is not None:
        untag(store, delete)
    made = give(store, version, name, who()) if version is not None and name is not None else None
    found = read_tags(store)
    if as_json:
        print_json({"collection": collection, "tags": list(map(_document, found))})
    elif made is not None:
        answers.print(f"[green]tagged[/] {collection} {made.version} as {made.name}")
    elif delete is not None:
        answers.print(f"[green]untagged[/] {collection} {delete}")
    else:
        answers.print(_table(found) if found else f"{collection} has no tags")


def _document(tag: Tag) -> dict[str, str]:
    return {"name": tag.name, "version": tag.version, "by": tag.by, "tagged_at": tag.tagged_at}


def _table(found: list[Tag]) -> Table:
    table = plain_table("name", "version", "tagged", "by", whole=["name", "version"])
    for one in found:
        table.add_row(one.name, one.version, escape(one.tagged_at[:16]), escape(one.by))
    return table
