"""`instep init`: a small app of one's own, from which everything else works."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import typer

from instep import __version__
from instep.cli.output import Refused, answers

EPILOG = "Example: [bold]instep init shop && cd shop && instep up[/]"

# Where each template goes. None of them is code of ours, nor hidden from who reads it.
WRITTEN: Final = {
    "app.py.txt": "app.py",
    "instep.toml": "instep.toml",
    "cdk.json": "cdk.json",
    "README.md": "README.md",
    "test_app.py.txt": "tests/test_app.py",
    "gitignore": ".gitignore",
}


def init(
    directory: Annotated[
        Path, typer.Argument(help="Where to; it must not exist or be empty.", show_default=False)
    ],
) -> None:
    """Write a small app: a table of products, and a collection that follows it.

    A mapping (instep.toml), the CDK app that deploys it, and a test. Rename what you like, and
    change the mapping to what your own table holds.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise Refused(f"{directory} is not an empty folder: give a new one")
    name = stack_name_of(directory)
    templates = files("instep.cli") / "templates"
    for template, place in WRITTEN.items():
        text = (templates / template).read_text(encoding="utf-8")
        file = directory / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("@NAME@", name).replace("@VERSION@", __version__))
    answers.print(f"[green]written[/]: {', '.join(WRITTEN.values())}", soft_wrap=True)
    answers.print(f"next: [bold]cd {directory}[/], [bold]instep check[/], [bold]instep up[/]")


def stack_name_of(directory: Path) -> str:
    """Return the name of a folder as CloudFormation takes one: `my-shop` makes `MyShop`."""
    words = re.findall(r"[A-Za-z0-9]+", directory.resolve().name)
    name = "".join(word[0].upper() + word[1:] for word in words)[:100]
    return name if name and name[0].isalpha() else f"Instep{name}"
