"""The options that several commands share, said once."""

from typing import Annotated, TypeAlias

import typer

from instep.local.deploy import STACK
from receipt_dynamo_stream import ChromaDBCollection

DEFAULT_STACK = STACK

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
    ChromaDBCollection, typer.Argument(help="The collection.", show_default=False)
]
Collections: TypeAlias = Annotated[
    ChromaDBCollection | None,
    typer.Argument(help="One collection; all of them when left out.", show_default=False),
]
At: TypeAlias = Annotated[
    str | None,
    typer.Option("--at", metavar="VERSION", help="A version instead of the head."),
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
