"""What a command does when it must not, or cannot, act: a sentence, a status, no traceback."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from instep.cli.app import app
from instep.local.launcher import LocalCloud

LOCAL = [
    ["env"],
    ["run"],
    ["wait"],
    ["status"],
    ["verify"],
    ["deploy"],
    ["history", "words"],
    ["rollback", "words", "V"],
    ["sweep"],
    ["import", "words"],
    ["query", "words", "dairy"],
    ["pull", "words", "copy"],
]


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(LocalCloud, "running", classmethod(lambda *_: None))


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("command", LOCAL, ids=" ".join)
def test_without_a_local_cloud_nothing_is_done(command: list[str]) -> None:
    result = invoke(*command)
    assert result.exit_code == 3
    assert "EndpointNotLocal" in result.stderr
    assert "instep up" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", LOCAL, ids=" ".join)
def test_an_endpoint_that_leaves_the_machine_is_refused(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://dynamodb.us-east-1.amazonaws.com")
    result = invoke(*command)
    assert result.exit_code == 3
    assert "not on this machine" in result.stderr


def test_an_account_is_not_meant_while_an_endpoint_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    result = invoke("status", "--aws")
    assert result.exit_code == 3
    assert "unset it" in result.stderr


def test_a_closed_endpoint_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    result = invoke("status")
    assert result.exit_code == 3
    assert "127.0.0.1:9" in result.stderr
    assert "Traceback" not in result.stderr


def test_wrong_usage_is_status_2() -> None:
    assert invoke("query", "lines").exit_code == 2
    assert invoke("query", "letters", "dairy").exit_code == 2
    assert invoke("nonsense").exit_code == 2


def test_down_where_nothing_runs_is_done() -> None:
    result = invoke("down")
    assert result.exit_code == 0
    assert "nothing runs" in result.stdout


def test_the_demo_does_not_take_over_a_running_cloud(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = LocalCloud("http://127.0.0.1:1", 1, "1", str(tmp_path))
    monkeypatch.setattr(LocalCloud, "running", classmethod(lambda *_: there))
    monkeypatch.setenv("COLUMNS", "20")
    result = invoke("demo")
    assert result.exit_code == 3
    assert "run `instep down` first" in result.stderr


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ({"demo": "nowhere:tell"}, "names 'nowhere:tell'"),
        ({"demo": "json:tell"}, "names 'json:tell'"),
    ],
)
def test_a_story_that_is_not_there_is_noticed_before_any_cloud_starts(
    context: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cdk.json").write_text(json.dumps({"context": context}))
    monkeypatch.chdir(tmp_path)
    result = invoke("demo")
    assert result.exit_code == 3
    assert said in result.stderr
    assert result.stdout == ""


def test_an_example_that_is_not_there_names_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path.cwd())  # and back
    result = invoke("demo", "--example", "nonsense")
    assert result.exit_code == 3
    assert "catalogue, forum" in result.stderr


def test_every_command_has_an_example_in_its_help() -> None:
    names = [str(command.name) for command in app.registered_commands]
    assert {"demo", "up", "down", "env", "deploy", "run", "wait", "status"} <= set(names)
    for name in names:
        shown = invoke(name, "--help").stdout
        assert f"instep {name}" in " ".join(shown.split()), name
        assert "Example" in shown


def test_the_help_documents_the_exit_statuses() -> None:
    shown = " ".join(invoke("--help").stdout.split())
    assert "Exit status" in shown
    assert "1 the answer is no" in shown
