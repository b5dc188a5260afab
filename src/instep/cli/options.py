"""The options that several commands share, said once."""

from contextlib import suppress
from typing import Annotated, TypeAlias

import typer

from instep.app import stack_name
from instep.cli.knobs import checked

DEFAULT_STACK = stack_name()


def known_collection(name: str | None) -> str | None:
    """Refuse a name that is no collection of this app's."""
    if name is not None and name not in (names := _names()):
        raise typer.BadParameter(f"{name!r} is no collection; there are {', '.join(names)}")
    return name


def _begun(incomplete: str) -> list[str]:
    """Return the collections that a shell may complete to; none where there is no app."""
    with suppress(Exception):  # a shell has no place for a complaint
        return [name for name in _names() if name.startswith(incomplete)]
    return []


def _names() -> list[str]:
    from instep.binding import collection_names  # what it takes to read a domain, where one is

    return collection_names()


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
Yes: TypeAlias = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask before changing an account.")
]
Collection: TypeAlias = Annotated[
    str,
    typer.Argument(
        help="The collection.", show_default=False, callback=known_collection, autocompletion=_begun
    ),
]
Collections: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        help="One collection; all of them when left out.",
        show_default=False,
        callback=known_collection,
        autocompletion=_begun,
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
        callback=checked,
        help="A value over cdk.json's context; instep/cdk/config.py lists them. May be repeated.",
    ),
]
