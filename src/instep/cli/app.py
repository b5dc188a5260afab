"""The command line's table of contents: every command, its help and its exit statuses.

A command's module is loaded when the command is called; help is read from its source, for most of
them bring boto3, and some chromadb or the CDK.
"""

import ast
import inspect
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import typer

from instep import __version__
from instep.cli.friendly import DEBUG, FriendlyGroup
from instep.cli.output import EXIT_HELP

_PANELS: Final = {
    "Begin": ("init", "check"),
    "The local cloud": ("demo", "up", "down", "env"),
    "Run and wait": ("deploy", "run", "sync", "wait", "smoke"),
    "Look": ("status", "watch", "history", "diff", "query", "pull", "mcp", "verify"),
    "Operate": ("redrive", "rollback", "tag", "sweep", "import", "destroy"),
    "Measure": ("cost", *(["bench"] if find_spec("benchmarks") else [])),  # of the repository alone
}


class _TableOfContents(FriendlyGroup):
    """Knows every command by its first lines, and loads the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command's name, the command itself, and what follows it."""
        name, listed, rest = super().resolve_command(ctx, args)
        if listed is None:
            return name, None, rest
        command = _loaded(str(listed.name))
        command.params += [one for one in self.params if "--debug" in one.opts]
        return name, command, rest


_SETTINGS: Final[dict[str, Any]] = {
    "rich_markup_mode": "rich",
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
app = typer.Typer(
    name="instep",
    cls=_TableOfContents,
    help="Keep ChromaDB collections on S3 in step with a DynamoDB table.",
    epilog=EXIT_HELP,
    no_args_is_help=True,
    **_SETTINGS,
)


def _note_debug(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        ctx.meta[DEBUG] = True


Debug: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--debug",
        is_eager=True,
        callback=_note_debug,
        expose_value=False,
        envvar="INSTEP_DEBUG",
        help="Show where an error happened, too.",
    ),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"instep {__version__}")
        raise typer.Exit


@app.callback()
def _instep(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
    _debug: Debug = False,
) -> None: ...


def _name_in_code(name: str) -> str:
    return f"{name}_" if name == "import" else name  # a word of Python's


def _summary(name: str) -> str:
    """Return the docstring of a command's function, without loading its module."""
    inside = _name_in_code(name)
    tree = ast.parse(Path(__file__).with_name(f"{inside}.py").read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    return _flowing(ast.get_docstring(functions[inside]) or "")


def _loaded(name: str) -> Any:
    """Return the command of a module: the function of its name, with its docstring and example."""
    inside = _name_in_code(name)
    module = import_module(f"instep.cli.{inside}")
    function = getattr(module, inside)
    alone = typer.Typer(add_completion=False, **_SETTINGS)
    text = _flowing(inspect.cleandoc(function.__doc__))
    alone.command(name, help=text, epilog=module.EPILOG)(function)
    return typer.main.get_command(alone)


def _flowing(docstring: str) -> str:
    return "\n\n".join(part.replace("\n", " ") for part in docstring.split("\n\n"))


def _listed() -> None:
    """What stands for a command until it is called."""


for _panel, _names in _PANELS.items():
    for _name in _names:
        app.command(_name, help=_summary(_name), rich_help_panel=_panel)(_listed)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
