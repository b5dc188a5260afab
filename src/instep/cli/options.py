"""The options that several commands share, said once."""

from typing import Annotated, TypeAlias

import typer

from instep.app import stack_name

DEFAULT_STACK = stack_name()


def known_collection(name: str | None) -> str | None:
    """Refuse a name that is no collection of this app's."""
    from instep.binding import load_domain  # what it takes to read a domain, only where one is

    if name is not None and name not in (names := load_domain().collections):
        raise typer.BadParameter(f"{name!r} is no collection; there are {', '.join(names)}")
    return name


Aws: TypeAlias = Annotated[
    bool,
    typer.Option("--aws", help="Act on the account of the usual AWS environment (shown first)."),
]
Stack: TypeAlias = Annotated[
    str, typer.Option("--stack", envvar="INSTEP_STACK", help="Name of the deployed stack.")
]
Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout, for a script.")
]
Collection: TypeAlias = Annotated[
    str, typer.Argument(help="The collection.", show_default=False, callback=known_collection)
]
Collections: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        help="One collection; all of them when left out.",
        show_default=False,
        callback=known_collection,
    ),
]
At: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="VERSION|TAG|TIME",
        help="A version instead of the head: its id, a tag of it, or a time (in UTC, such as "
        "2026-11-25T10:00) at which it was the head.",
    ),
]
Context: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "-c",
        "--context",
        metavar="KEY=VALUE",
        help="A value over cdk.json's context; instep/cdk/config.py lists them. May be repeated.",
    ),
]
