"""The recipes say what they need, so that `uv run` makes an environment of their own.

`python -m benchmarks.reader_recipes` runs them; it installs packages, and so does not belong here.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reader_recipes import RECIPES
from tests.support.marks import ROOT


def needs(recipe: str) -> dict[str, Any]:
    """What the inline metadata of a script says (PyPA's "Inline script metadata")."""
    text = (ROOT / "examples" / f"{recipe}.py").read_text()
    block = re.search(r"(?m)^# /// script\n((?:# .*\n)+)# ///$", text)
    assert block is not None
    return tomllib.loads(re.sub(r"(?m)^# ", "", block[1]))


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_takes_this_checkouts_library_and_its_own_environment(recipe: str) -> None:
    said = needs(recipe)
    assert "instep" in said["dependencies"]
    assert all(re.search(r"[=<]=?\d", each) for each in said["dependencies"] if each != "instep")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert said["requires-python"] == project["requires-python"]
    source = Path(said["tool"]["uv"]["sources"]["instep"]["path"])
    assert (ROOT / "examples" / source).resolve() == ROOT
