"""`sync`: lists what differs, starts one execution or follows the one that runs, and proves it."""

import json
from itertools import count
from typing import Any

import pytest

from instep.cli import drift, syncing, wait
from instep.cli import sync as command
from instep.cli.session import Session
from instep.cli.standing import Execution
from instep.clock import utc_now
from instep.local.target import Target
from receipt_demo.items import run
from receipt_domain import DOMAIN
from tests.unit.cli.conftest import RECEIPT, WORD_ID, Cli


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here is under way: the machine is one that only ends."""
    monkeypatch.setattr(command, "_PATIENCE", 0.0)
    monkeypatch.setattr(syncing, "_POLL_SECONDS", 0.01)


def session(cli: Cli) -> Session:
    return Session(Target.aws(), cli.deployment)


def executions(cli: Cli) -> list[Any]:
    client = session(cli).stepfunctions
    listed = client.list_executions(stateMachineArn=cli.deployment.state_machine_arn)
    arns = [one["executionArn"] for one in listed["executions"]]
    return [client.describe_execution(executionArn=arn) for arn in arns]


def test_in_step_is_status_0_and_says_so(cli: Cli, heads: dict[str, Any]) -> None:
    result = cli.run("sync")
    assert result.exit_code == 0, result.output
    compared = sum(map(len, heads.values()))
    assert f"in step: {compared} embeddings compared with the table" in result.stdout
    (started,) = executions(cli)
    assert json.loads(started["input"]) == {"Sync": {"collections": sorted(DOMAIN.collections)}}
    assert started["name"].startswith("sync-")


def test_a_dry_run_lists_what_differs_and_starts_nothing(cli: Cli, heads: dict[str, Any]) -> None:
    words = dict(heads["words"])
    words[WORD_ID] = {**words[WORD_ID], "merchant_name": "Nobody"}
    words[f"{WORD_ID}9"] = {"text": "surplus"}
    lost = next(id_ for id_ in words if id_ != WORD_ID)
    del words[lost]
    cli.publish("words", words)
    result = cli.run("sync", "words", "--dry-run", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [(one["id"], one["field"]) for one in found["changed"]] == [(WORD_ID, "merchant_name")]
    assert [one["id"] for one in found["removed"]] == [f"{WORD_ID}9"]
    assert found["unembedded"] == {"words": [lost]}
    assert executions(cli) == []
    said = cli.run("sync", "--dry-run").stdout
    assert "to be: 0 added, 1 changed, 1 removed" in said
    assert "words: 1 item without an embedding" in said


def test_what_differs_in_the_end_is_status_1(cli: Cli, heads: dict[str, Any]) -> None:
    cli.publish("words", {**heads["words"], f"{WORD_ID}9": {"text": "surplus"}})
    result = cli.run("sync")
    assert result.exit_code == 1
    assert "still to be: 0 added, 0 changed, 1 removed" in result.stdout


def test_one_that_was_stopped_says_so_and_what_is_left_and_waits_for_nothing(
    cli: Cli, heads: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.publish("words", {**heads["words"], f"{WORD_ID}9": {"text": "surplus"}})
    stopped = syncing.Followed("arn:of:it", status="ABORTED")
    monkeypatch.setattr(command, "follow_sync", lambda *_: stopped)
    for waits in ("drained", "wait_for_the_rest"):
        monkeypatch.setattr(command, waits, lambda *_, waits=waits: pytest.fail(waits))
    result = cli.run("sync")
    assert result.exit_code == 1
    assert "the sync aborted" in result.stderr
    assert "still to be: 0 added, 0 changed, 1 removed" in result.stdout


def test_a_table_that_goes_on_changing_is_in_step_however_long_a_reading_takes(
    cli: Cli, heads: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reading meets a change on its way, and the one of the reading before has arrived."""
    scan, numbers, hours = drift.scan, count(1), 0

    def scan_for_an_hour(*given: Any) -> None:
        nonlocal hours
        hours += 1
        scan(*given)
        cli.publish("words", {**heads["words"], f"{WORD_ID}{next(numbers)}": {"text": "passing"}})

    monkeypatch.setattr(drift, "scan", scan_for_an_hour)
    for module in (command, wait):
        monkeypatch.setattr(module, "monotonic", lambda: hours * 3_600.0)
    monkeypatch.setattr(command, "_PATIENCE", 60.0)
    result = cli.run("sync", "--timeout", "60")
    assert result.exit_code == 0, result.output
    assert cli.run("wait", "--timeout", "60").exit_code == 0


def test_a_pending_run_is_not_in_step(cli: Cli, heads: dict[str, Any]) -> None:
    pending = run(RECEIPT, "old", {name: f"{name}/delta/x" for name in heads})
    cli.put(pending)
    assert cli.run("sync", "--dry-run").exit_code == 1


def test_one_that_runs_is_followed_and_no_second_one_started(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = session(cli)
    arn, is_new = syncing.find_or_start(here, ["words"])
    assert is_new
    name = arn.rpartition(":")[2]
    running = Execution(name, "RUNNING", utc_now(), None, None, None, arn)
    monkeypatch.setattr(syncing, "executions", lambda *_, **__: [running])
    assert syncing.find_or_start(here, ["words"]) == (arn, False)
    other, is_new = syncing.find_or_start(here, ["lines", "words"])
    assert (is_new, other == arn) == (True, False), "it goes through more than that one"


def test_what_versions_brought_is_told(cli: Cli, heads: dict[str, Any]) -> None:
    here = session(cli)
    before = syncing.heads_of(here, ["words", "lines"])
    cli.publish("words", heads["words"])
    cli.publish("words", heads["words"])
    written = syncing.written_since(here, before)
    assert (written["words"].versions, written["lines"].versions) == (2, 0)


def test_a_wrong_collection_is_status_2(cli: Cli) -> None:
    assert cli.run("sync", "letters").exit_code == 2


def test_wait_names_a_run_that_no_signal_will_come_for(cli: Cli, heads: dict[str, Any]) -> None:
    cli.put(run(RECEIPT, "old", {name: f"{name}/delta/x" for name in heads}))
    result = cli.run("wait", "--timeout", "0")
    assert result.exit_code == 1
    assert "instep sync" in result.stderr
