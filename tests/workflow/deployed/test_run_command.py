"""`instep run` on the deployed app: the real tally of a run, read as a person would."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from instep.cli.app import app as command_line
from instep.local.guard import ENDPOINT
from tests.support.deployed import DeployedApp

POISON = [{"eventName": "MODIFY", "dynamodb": {"Keys": {"PK": {"S": "a"}}}}, {"body": "no JSON"}]


@pytest.fixture
def run(app: DeployedApp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "Result":
    """`instep run` of a file of nothing but poison."""
    file = tmp_path / "poison.json"
    file.write_text(json.dumps(POISON))
    monkeypatch.setenv(ENDPOINT, app.target.environ[ENDPOINT])
    return CliRunner().invoke(command_line, ["run", "--records", str(file)])


def test_a_file_of_poison_alone_is_a_no_with_its_reasons(app: DeployedApp, run: Result) -> None:
    assert run.exit_code == 1, run.output
    assert "succeeded after" not in run.stdout
    assert "rejected 2 records" in run.stdout
    letters = app.rejected()
    assert len(letters) == 2
    for letter in letters:
        assert letter["MessageAttributes"]["reason"]["StringValue"] in run.stdout
