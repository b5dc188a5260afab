"""When something needs a person: exit status 1, a sentence, a page; and when nothing does."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from rich.console import Console

from instep.cli import watch as watching
from instep.cli.standing import CollectionStanding, Execution, Standing
from instep.cli.trouble import troubles
from instep.cli.watch import line, tell_changes
from instep.flow.envelope import Rejection
from instep.flow.inbox import Depth, Inbox
from instep.flow.runner import RunnerState
from tests.support.marks import ROOT
from tests.unit.cli.conftest import Cli

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def run(status: str, began: timedelta, ended: timedelta | None = None) -> Execution:
    stopped = None if ended is None else NOW - ended
    return Execution("run-1", status, NOW - began, stopped, None, None, "arn")


def words(age: timedelta) -> CollectionStanding:
    return CollectionStanding(
        "words", "V1", NOW - age, 2, 100, None, None, None, None, fencing_token=1
    )


QUIET = Standing(
    at=NOW,
    collections=[words(age=90 * MINUTE)],
    inbox=Depth(0, 0, 0),
    runner=RunnerState(),
    dlq=0,
    dead_letters=(),
    executions=[run("SUCCEEDED", 5 * MINUTE, 4 * MINUTE)],
)
WAITING = Depth(3, 0, 0)
LIVE = RunnerState(3, "run-1", NOW + MINUTE)
DEAD = RunnerState(3, "run-1", NOW - MINUTE)
RUNS = [run("RUNNING", 2 * MINUTE)]

NONE: list[str] = []
CASES: list[tuple[str, Standing, list[str]]] = [
    ("quiet", QUIET, NONE),
    (
        "a head that cannot be read",
        replace(QUIET, collections=[replace(words(MINUTE), version=None, unreadable="damaged")]),
        ["executions-failed"],
    ),
    ("a dead letter", replace(QUIET, dlq=1), ["dlq-holds-messages"]),
    ("nobody drains", replace(QUIET, inbox=WAITING), ["nothing-runs"]),
    ("a dead runner", replace(QUIET, inbox=WAITING, runner=DEAD), ["nothing-runs"]),
    ("a dead runner left nothing", replace(QUIET, runner=DEAD), NONE),
    ("a live runner", replace(QUIET, inbox=WAITING, runner=LIVE, executions=RUNS), NONE),
    ("a start under way", replace(QUIET, inbox=WAITING, runner=LIVE), NONE),
    ("three deaths", replace(QUIET, runner=RunnerState(deaths=3)), ["nothing-runs"]),
    (
        "red, and its messages wait",
        replace(
            QUIET,
            inbox=Depth(0, 2, 0),
            executions=[run("FAILED", 2 * MINUTE, MINUTE)],
        ),
        ["executions-failed"],
    ),
    ("red, and nothing waits", replace(QUIET, executions=[run("FAILED", MINUTE, MINUTE)]), NONE),
    (
        "aborted, and its messages wait",
        replace(QUIET, inbox=Depth(0, 0, 2), executions=[run("ABORTED", MINUTE, MINUTE)]),
        ["executions-aborted"],
    ),
    (
        "a run that publishes nothing",
        replace(
            QUIET,
            inbox=WAITING,
            runner=LIVE,
            executions=[run("RUNNING", 16 * MINUTE)],
        ),
        ["head-behind"],
    ),
    (
        "a long run that publishes",
        replace(
            QUIET,
            inbox=WAITING,
            runner=LIVE,
            executions=[run("RUNNING", 16 * MINUTE)],
            collections=[words(age=MINUTE)],
        ),
        NONE,
    ),
    ("an alarm", replace(QUIET, alarms=["sweep-fails"]), ["sweep-fails"]),
    (
        "an alarm about what is seen",
        replace(QUIET, dlq=2, alarms=["dlq-holds-messages"]),
        ["dlq-holds-messages"],
    ),
]


@pytest.mark.parametrize(
    ("standing", "pages"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_needs_a_person(standing: Standing, pages: list[str]) -> None:
    found = troubles(standing)
    assert [trouble.page for trouble in found] == pages
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    assert all(f"\n## {trouble.page}\n" in runbook for trouble in found)


def test_status_says_by_its_exit_whether_something_does(cli: Cli) -> None:
    quiet = cli.run("status")
    assert quiet.exit_code == 0
    assert "nothing needs a person" in quiet.stdout
    inbox = Inbox(cli.made.sqs, cli.made.inbox_url, cli.made.dlq_url)
    inbox.reject([Rejection({"eventName": "MODIFY"}, "no keys in it")], "execution-1")
    asked = cli.run("status")
    assert asked.exit_code == 1
    said = " ".join(asked.stdout.split())
    assert (
        "needs a person: the DLQ holds 1 message: `instep redrive --dry-run`, docs/runbook.md"
        in said
    )
    (trouble,) = cli.json("status")["troubles"]
    assert trouble["page"] == "dlq-holds-messages"


def test_an_alarm_of_this_stack_that_speaks_is_shown(cli: Cli) -> None:
    client = boto3.client("cloudwatch")
    for name in ("Instep-sweep-fails", "Instep-fold-fails", "Other-head-behind"):
        client.put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/Lambda",
            MetricName="Errors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
        )
    for name in ("Instep-sweep-fails", "Other-head-behind"):
        client.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="tried")
    assert cli.json("status")["alarms"] == ["sweep-fails"]
    assert cli.run("status").exit_code == 1


def test_a_line_is_told_for_a_change_and_not_for_the_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    later = replace(QUIET, at=NOW + MINUTE)
    tell_changes([QUIET, later, replace(later, dlq=1), replace(later, dlq=1)], line)
    first, second = capsys.readouterr().out.splitlines()
    assert first == (
        "12:00:00 words=V1 inbox=0+0+0 dlq=0 runner=nobody last=succeeded needs a person: nothing"
    )
    assert second.startswith("12:01:00 ")
    assert "dlq=1" in second
    assert second.endswith("`instep redrive --dry-run`, docs/runbook.md#dlq-holds-messages")


def interrupted(looks: Iterator[Standing]) -> Any:
    def look(*_: object, **__: object) -> Standing:
        try:
            return next(looks)
        except StopIteration:
            raise KeyboardInterrupt from None

    return look


def test_ctrl_c_ends_a_watch_with_what_a_shell_expects(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([QUIET, QUIET, replace(QUIET, dlq=1)])
    monkeypatch.setattr(watching, "read_standing", interrupted(looks))
    done = cli.run("watch", "--every", "0.1")
    assert done.exit_code == 130
    assert len(done.stdout.splitlines()) == 2
    assert "Traceback" not in done.output


def test_on_a_terminal_the_screen_is_kept_current(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=80, highlight=False)
    monkeypatch.setattr(watching, "answers", terminal)
    looks = iter([QUIET, replace(QUIET, dlq=1)])
    monkeypatch.setattr(watching, "read_standing", interrupted(looks))
    assert cli.run("watch", "--every", "0.1").exit_code == 130
    shown = screen.getvalue()
    quiet, _, after = shown.partition("nothing needs a person")
    assert "V1" in quiet
    assert "\x1b[1A" in after, "the first screen is gone over, not followed by another"
    assert "the DLQ holds 1 message" in after


def test_a_watch_in_json_is_a_document_a_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([QUIET, replace(QUIET, dlq=1)])
    monkeypatch.setattr(watching, "read_standing", interrupted(looks))
    done = cli.run("watch", "--every", "0.1", "--json")
    documents = [json.loads(text) for text in done.stdout.splitlines()]
    assert [len(one["troubles"]) for one in documents] == [0, 1]
    assert documents[0]["at"] == NOW.isoformat()
