"""The command line's table of contents: every command, its help and its exit statuses."""

import inspect
from types import ModuleType
from typing import Final

import typer

from instep.cli import (
    bench,
    check,
    demo,
    deploy,
    down,
    env,
    history,
    import_,
    mcp,
    pull,
    query,
    rollback,
    run,
    status,
    sweep,
    up,
    verify,
    wait,
)
from instep.cli.friendly import FriendlyGroup
from instep.cli.output import EXIT_HELP

app = typer.Typer(
    name="instep",
    cls=FriendlyGroup,
    help="Keep ChromaDB collections on S3 in step with a DynamoDB table.",
    epilog=EXIT_HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_PANELS: Final = {
    "The local cloud": (demo, up, down, env),
    "Set up": (check,),
    "Run and wait": (deploy, run, wait),
    "Look": (status, history, query, pull, mcp, verify),
    "Operate": (rollback, sweep, import_),
    "Measure": (bench,),
}


def _add(module: ModuleType, panel: str) -> None:
    """Add the command of a module: the function of its name, with its docstring and example."""
    command = getattr(module, module.__name__.rpartition(".")[2])
    paragraphs = inspect.cleandoc(command.__doc__).split("\n\n")
    text = "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)
    name = command.__name__.rstrip("_")  # `import` is a word of Python's
    app.command(name, help=text, epilog=module.EPILOG, rich_help_panel=panel)(command)


for _panel, _modules in _PANELS.items():
    for _module in _modules:
        _add(_module, _panel)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
