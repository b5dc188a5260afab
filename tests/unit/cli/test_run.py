"""`run`: its input, its exit status, and what it shows of a failure."""

import json
from pathlib import Path

import pytest

from instep.cli.output import Refused
from instep.cli.run import read_input
from tests.unit.cli.conftest import Cli


def test_a_run_that_succeeds_is_status_0(cli: Cli) -> None:
    result = cli.run("run")
    assert result.exit_code == 0, result.output
    assert "succeeded" in result.stdout


def test_a_run_that_fails_is_status_1_and_says_why(cli: Cli) -> None:
    result = cli.run("run", "--records", "-", given='{"Records": 7}')
    assert result.exit_code == 1
    assert "InputRejected: these are no records" in " ".join(result.stdout.split())


def test_json_has_outcome_and_steps(cli: Cli) -> None:
    found = cli.json("run")
    assert found["status"] == "SUCCEEDED"
    assert found["error"] is None
    assert isinstance(found["steps"], list)


def test_a_list_becomes_records(tmp_path: Path) -> None:
    file = tmp_path / "records.json"
    file.write_text('[{"dynamodb": {}}]')
    assert json.loads(read_input(file)) == {"Records": [{"dynamodb": {}}]}


@pytest.mark.parametrize(
    ("content", "said"),
    [("not json", "is not JSON"), (json.dumps("x" * 300_000), "split it")],
)
def test_an_input_no_execution_can_take_is_refused(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "records.json"
    file.write_text(content)
    with pytest.raises(Refused, match=said):
        read_input(file)


def test_a_file_that_is_not_there_is_a_sentence(cli: Cli) -> None:
    result = cli.run("run", "--records", "nowhere.json")
    assert result.exit_code == 3
    assert "nowhere.json" in result.stderr
    assert "Traceback" not in result.output
