"""The command line's manners: what a start loads, which stream says what, how a command ends."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError
from typer.testing import CliRunner, Result

from instep.cli import session as session_module
from instep.cli.app import app
from instep.cli.console import Answers, Remarks
from instep.cli.output import plain_table
from tests.support.marks import ROOT

HEAVY = {"aws_cdk", "boto3", "chromadb", "ministack", "wordllama"}


def python(code: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-c", code],
        env={**os.environ, **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def loaded_by(*calls: list[str]) -> set[str]:
    code = f"""
import json, sys
from typer.testing import CliRunner
from instep.cli.app import app
for call in {list(calls)!r}:
    assert CliRunner().invoke(app, call).exit_code == 0, call
print(json.dumps(list(sys.modules)))
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_help_and_version_load_little_more_than_the_terminal() -> None:
    loaded = loaded_by(["--help"], ["--version"])
    assert loaded & {*HEAVY, "botocore", "numpy", "zstandard"} == set()


def test_no_command_loads_what_it_has_not_been_asked_to_do() -> None:
    """Its module with all that it imports. `check` reads mappings, and those know of vectors."""
    names = {str(command.name) for command in app.registered_commands} - {"check"}
    loaded = loaded_by(*([name, "--help"] for name in sorted(names)))
    assert "instep.cli.sync" in loaded
    assert loaded & {*HEAVY, "numpy"} == set()


def test_in_a_pipe_nothing_is_cut_coloured_or_moving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    shown, said = StringIO(), StringIO()
    remarks = Remarks(file=said, highlight=False)
    answers = Answers(remarks, file=shown, highlight=False)
    with remarks.status("looking"):
        table = plain_table("id", "text")
        table.add_row("[red]x[/]" * 30, "y" * 300)
        answers.print(table)
    assert "x" * 30 in shown.getvalue()
    assert "y" * 300 in shown.getvalue()
    assert "\x1b" not in shown.getvalue()
    assert said.getvalue() == ""


class Terminal:
    """As much of a terminal as shows what a moving line leaves: rows, and a cursor."""

    def __init__(self) -> None:
        self.rows, self.at = [""], 0

    def write(self, text: str) -> int:
        for part in _parts(text):
            if part == "\n":
                self.at += 1
                self.rows += [""] * (self.at + 1 - len(self.rows))
            elif part == "\x1b[2K":
                self.rows[self.at] = ""
            elif part == "\x1b[1A":
                self.at -= 1
            elif not part.startswith("\x1b") and part != "\r":
                self.rows[self.at] += part
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return True


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"(\x1b\[[?0-9;]*[A-Za-z]|\n|\r)", text) if part]


def test_an_answer_is_printed_above_the_moving_line() -> None:
    terminal: Any = Terminal()
    settings: dict[str, Any] = {"file": terminal, "force_terminal": True, "width": 60}
    remarks = Remarks(**settings)
    answers = Answers(remarks, **settings)
    with remarks.status("looking") as line, remarks.status("closer"):
        answers.print("first")
        line.update("still looking")
        answers.print("second")
    assert [row for row in terminal.rows if row.strip()] == ["first", "second"]
    assert remarks.lines == []


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], Result]:
    """`instep status`, which fails with this error as it looks for its cloud."""

    def run(error: BaseException, *arguments: str) -> Result:
        def find_target(**_: object) -> None:
            raise error

        monkeypatch.setattr(session_module, "find_target", find_target)
        return CliRunner().invoke(app, ["status", *arguments])

    return run


DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjects")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoCredentialsError(), "AWS_PROFILE"),
        (NoRegionError(), "AWS_REGION"),
        (DENIED, "may not do that"),
        (PermissionError(13, "Permission denied", "/there"), "/there: Permission denied"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (KeyError("tally"), "--debug shows where"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_whatever_happens_is_a_sentence_and_status_3(
    error: Exception, said: str, fails: Callable[..., Result]
) -> None:
    result = fails(error)
    assert result.exit_code == 3
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize("place", ["before", "after", "environment"])
def test_debug_shows_where_it_happened(
    place: str, fails: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "environment":
        monkeypatch.setenv("INSTEP_DEBUG", "1")
    result = fails(KeyError("tally"), *(["--debug"] if place == "after" else []))
    if place == "before":
        result = CliRunner().invoke(app, ["--debug", "status"])
    assert result.exit_code == 3
    assert "find_target" in result.stderr


def test_interrupted_is_130(fails: Callable[..., Result]) -> None:
    assert fails(KeyboardInterrupt()).exit_code == 130


@pytest.mark.parametrize("call", ["answers.print('x' * 100_000)", "typer.echo('x' * 100_000)"])
def test_who_reads_no_further_hears_no_complaint(call: str) -> None:
    code = f"""
import sys, typer
from instep.cli import status
from instep.cli.app import app
from instep.cli.output import answers
def show(**_):
    for _ in range(100): {call}
status.open_session = show
sys.argv = ["instep", "status"]
app()
"""
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        os.close(writer)
        _, said = process.communicate(timeout=60)
    assert said == ""
    assert process.returncode == 141


def test_the_help_states_every_exit_status() -> None:
    shown = " ".join(CliRunner().invoke(app, ["--help"]).stdout.split())
    for said in ("0 done", "1 the answer is no", "2 wrong usage", "3 it could not be done or"):
        assert said in shown
    assert "4 the answer is no, but" in shown
    assert "130 interrupted" in shown


def test_whatever_has_an_answer_gives_it_to_a_script() -> None:
    silent = {"demo", "destroy", "down", "init", "mcp"}  # told, done, written, served
    for command in app.registered_commands:
        shown = CliRunner().invoke(app, [str(command.name), "--help"]).stdout
        assert ("--json" in shown) == (command.name not in silent), command.name


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("instep his", ["history"]),
        ("instep history w", ["words"]),
        ("instep run --rec", ["--records"]),
    ],
)
def test_a_shell_completes_commands_collections_and_options(words: str, found: list[str]) -> None:
    done = python(
        "import sys; sys.argv = ['instep']; from instep.cli.start import main; main()",
        _INSTEP_COMPLETE="complete_bash",
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split()) - 1),
    )
    assert done.stdout.split() == found


def test_where_there_is_no_app_a_shell_is_told_of_no_collection(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from instep.cli.options import _begun

    monkeypatch.chdir(tmp_path)
    assert _begun("w") == []
