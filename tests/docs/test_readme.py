"""The documents say what is so: commands exist, links lead somewhere, the picture is current."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md")
    for path in ROOT.glob(pattern)
    if not {".venv", "node_modules", ".build"} & set(path.parts)
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z]+)", README))))
def test_every_make_target_of_the_readme_exists(target: str) -> None:
    assert f"\n{target}:" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("command", sorted(set(re.findall(r"(?<!from )\binstep ([a-z]+)", README))))
def test_every_command_of_the_readme_answers_to_help(command: str) -> None:
    shown = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "instep.cli.app", command, "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )

    assert shown.returncode == 0, shown.stderr
    assert "Example" in shown.stdout


def test_the_example_event_and_inputs_are_json() -> None:
    for path in sorted((ROOT / "examples").glob("*.json")):
        json.loads(path.read_text())


def test_the_readers_example_is_the_readme_s() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

    compile(block, "README.md", "exec")
    assert block.splitlines()[0] in (ROOT / "examples" / "read_snapshot.py").read_text()
