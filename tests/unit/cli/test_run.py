"""`run`: its input, its exit status, and what it shows of a failure."""

import json
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

from instep.cli import run as run_module
from instep.cli.following import ExecutionView
from instep.cli.output import Refused
from instep.cli.run import read_input
from instep.flow.causes import cause_text
from instep.flow.envelope import Rejection
from instep.flow.inbox import Inbox
from instep.local.executions import Outcome, Step, start
from tests.unit.cli.conftest import ROLE, Cli


def test_a_run_that_succeeds_is_status_0(cli: Cli) -> None:
    result = cli.run("run")
    assert result.exit_code == 0, result.output
    assert "succeeded" in result.stdout


def test_a_run_that_fails_is_status_1_and_says_why(cli: Cli) -> None:
    result = cli.run("run", "--records", "-", given='{"Records": 7}')
    assert result.exit_code == 1
    assert result.stdout.count("InputRejected: these are no records") == 1


def rejecting(cli: Cli, rejected: int) -> str:
    """A machine whose executions end with this tally; what one of them is called."""
    output = {"execution": "run", "tally": {"rejected": rejected, "rounds": 0}}
    states = {
        "ParseBatch": {"Type": "Pass", "Result": output, "Next": "Succeeded"},
        "Succeeded": {"Type": "Succeed"},
    }
    made = boto3.client("stepfunctions").create_state_machine(
        name="rejecting",
        definition=json.dumps({"StartAt": "ParseBatch", "States": states}),
        roleArn=ROLE,
    )
    object.__setattr__(cli.deployment, "state_machine_arn", made["stateMachineArn"])
    return "run-of-poison"


@pytest.fixture
def poisoned(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A run of three records, none of which anybody could read; another run left one, too."""
    name = rejecting(cli, rejected=3)
    inbox = Inbox(cli.made.sqs, cli.made.inbox_url, cli.made.dlq_url)
    for reason in ("no [KEYS]", "no [KEYS]", "no image"):
        inbox.reject([Rejection({}, reason)], name)
    inbox.reject([Rejection({}, "of yesterday")], "another")
    monkeypatch.setattr(
        run_module, "start", lambda client, arn, given: start(client, arn, given, name)
    )
    return cli


def test_a_run_that_rejected_all_it_was_given_is_no_success(poisoned: Cli) -> None:
    result = poisoned.run("run", "--records", "-", given='{"Records": [{}, {}, {}]}')
    assert result.exit_code == 1
    assert "succeeded" not in result.stdout
    assert "rejected 3 records" in result.stdout
    assert "in the DLQ" in result.stdout
    assert "2 x no [KEYS]" in result.stdout
    assert "1 x no image" in result.stdout
    assert "of yesterday" not in result.stdout


def test_status_lists_it_with_what_it_rejected(poisoned: Cli) -> None:
    poisoned.run("run", "--records", "-", given='{"Records": [{}, {}, {}]}')
    (run,) = poisoned.json("status")["executions"]
    assert run["rejected"] == 3
    assert "put 3 records into the DLQ" in " ".join(poisoned.run("status").stdout.split())


def test_who_stops_following_is_told_that_the_execution_goes_on(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "follow_with_progress", interrupted)
    result = cli.run("run")
    assert result.exit_code == 130
    assert "the execution goes on" in result.stderr


def test_json_counts_the_reasons(poisoned: Cli) -> None:
    found = poisoned.json("run", "--records", "-", given="[{}]")
    assert found["rejected"] == 3
    assert found["rejections"] == {"no [KEYS]": 2, "no image": 1}


def test_a_cause_is_told_once_and_as_a_person_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    message = "no vector of 1,536 floats: " + "give one. " * 60
    cause = json.dumps({"errorMessage": message, "errorType": "X", "stackTrace": ["line 7"]})
    view = ExecutionView()
    for _ in range(3):  # tries
        view.step(Step("failed", "ApplyUpdates", at, "DeltaRejected", cause, "words"))
    view.outcome(Outcome("arn", "FAILED", at, at, "DeltaRejected", cause))
    shown = capsys.readouterr().out
    assert shown.count(message) == 1
    assert shown.count("DeltaRejected, as above") == 3
    assert "stackTrace" not in shown
    assert "failed after 0.00 s" in shown


@pytest.mark.parametrize(
    ("error", "cause", "said"),
    [
        ("LockBusy", '{"errorMessage": "held"}', "LockBusy: held"),
        (
            "CompactionFailed",
            "words: 3 changes failed",
            "CompactionFailed: words: 3 changes failed",
        ),
        ("States.Timeout", None, "States.Timeout"),
        (None, "[7]", "[7]"),
        ("Odd", '{"errorMessage": null', 'Odd: {"errorMessage": null'),
    ],
)
def test_a_cause_in_words(error: str | None, cause: str | None, said: str) -> None:
    assert cause_text(error, cause) == said


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
    [
        ("not json", "is not JSON"),
        ('{"Records": [{"price": NaN}]}', "is not JSON: NaN"),
        ('{"Records": [{"price": -Infinity}]}', "is not JSON: -Infinity"),
        ("[" * 100_000, "is not JSON"),
        ("[1, 2]", "record 0 is 1, and no object"),
        ('{"Records": [{}, null]}', "record 1 is null, and no object"),
        (json.dumps("x" * 300_000), "split it"),
    ],
    ids=range(7),
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
