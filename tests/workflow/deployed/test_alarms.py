"""Each alarm that the local cloud can set off is set off by the deployed app, and falls silent.

The alarms are those of the deployed template; their metrics are what the functions printed and the
services tell. The clock of who watches is put forward instead of waiting: what happened in these
minutes is then as long ago as an alarm looks back.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from instep.clock import utc_now
from instep.local.alarms import AlarmStates, read_alarms
from instep.local.cloud_metrics import CloudMetrics
from instep.local.faults import Hold, Kill, calls
from tests.support.cloud import eventually
from tests.support.contention import COLLECTION
from tests.support.deployed import DeployedApp
from tests.support.due import fold_due
from tests.support.items import record
from tests.support.receipts import Receipt
from tests.support.trouble import REFUSED

STACK = "Instep"
RECEIPT = Receipt("alarms", words=8)
FIVE_MINUTES = 300.0


class Watch:
    """Who watches the deployed app's alarms, with a clock that can be put forward."""

    def __init__(self, app: DeployedApp, template: Path) -> None:
        listed = app.target.client("cloudformation").describe_stack_resources(StackName=STACK)
        physical = {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for each in listed["StackResources"]
        }
        self._ahead = timedelta(0)
        source = CloudMetrics(app.target, STACK, self.now, since=utc_now().timestamp())
        declared = read_alarms(json.loads(template.read_text()), physical)
        self._states = AlarmStates(declared, source, clock=self.now)

    def now(self) -> datetime:
        return utc_now() + self._ahead

    def passes(self, minutes: float) -> None:
        self._ahead += timedelta(minutes=minutes)

    def is_at(self, instant: float) -> None:
        self._ahead = timedelta(seconds=instant - utc_now().timestamp())

    def speaking(self) -> set[str]:
        return self._states.speaking()


@pytest.fixture(scope="module", autouse=True)
def seeded(deployed: DeployedApp) -> None:
    deployed.drained()
    deployed.seed(RECEIPT)


@pytest.fixture
def watch(app: DeployedApp, assembly: Path) -> Iterator[Watch]:
    """Nobody has anything to tell, before and after."""
    (template,) = assembly.glob("*.template.json")
    made = Watch(app, template)
    assert made.speaking() == set()
    yield made
    made.passes(61)
    assert made.speaking() == set()


def edit(app: DeployedApp, word: int) -> None:
    app.change(RECEIPT.label(word, "TOTAL", "VALID"))


def ended_calls(app: DeployedApp, state: str) -> int:
    return sum(line.startswith("REPORT ") for line in app.functions.log(state))


def test_poison_is_told_until_the_dlq_is_empty(app: DeployedApp, watch: Watch) -> None:
    app.send("no record")
    assert app.run().outcome.succeeded
    assert watch.speaking() == {"dlq-holds-messages"}
    assert len(app.rejected()) == 1
    watch.passes(2)
    assert watch.speaking() == set()


def test_a_run_that_ends_red_is_told_with_the_calls_that_failed_and_how_far_behind_it_is(
    app: DeployedApp, watch: Watch
) -> None:
    edited = record(RECEIPT.label(1, "TOTAL", "VALID"))
    made = utc_now().timestamp() - 1200
    edited["dynamodb"] = {**edited["dynamodb"], "ApproximateCreationDateTime": made}
    app.send(edited)
    with app.proxy.failing(calls(function=app.function("ApplyUpdates")), REFUSED, times=None):
        first = app.run()
        told = watch.speaking()
        assert told == {"executions-failed", "function-errors"}
        between = utc_now().timestamp()
        app.follow(first)
        app.trust_the_queue()
        second = app.run()
        assert not second.outcome.succeeded
    watch.is_at(between + FIVE_MINUTES)  # the one run in one period, the other in the next
    assert "head-behind" in watch.speaking()
    app.follow(second)
    app.trust_the_queue()
    assert app.run().outcome.succeeded
    watch.passes(11)
    assert watch.speaking() == set()


def test_a_call_that_is_tried_again_and_comes_through_is_nothing_to_tell(
    app: DeployedApp, watch: Watch
) -> None:
    edit(app, 2)
    with app.proxy.failing(calls(function=app.function("ParseBatch")), Kill(), times=2) as rule:
        assert app.run().outcome.succeeded
    assert rule.hits == 2
    assert watch.speaking() == set()


def test_a_run_that_somebody_stopped_is_told(app: DeployedApp, watch: Watch) -> None:
    held = calls(function=app.function("ParseBatch"))
    before = ended_calls(app, "ParseBatch")
    with app.proxy.failing(held, Hold()) as rule:
        arn = app.start()
        eventually(lambda: rule.hits, "the run has begun")
        app.target.client("stepfunctions").stop_execution(executionArn=arn)
        assert watch.speaking() == {"executions-aborted"}
    eventually(lambda: ended_calls(app, "ParseBatch") > before, "its call goes on, to its end")
    app.follow(app.ended(arn))


def test_what_waits_for_nobody_is_told_until_somebody_takes_it(
    app: DeployedApp, watch: Watch
) -> None:
    edit(app, 3)
    assert watch.speaking() == set(), "it has only just come"
    watch.passes(5)
    assert watch.speaking() == {"nothing-runs"}
    assert app.run().outcome.succeeded
    watch.passes(6)
    assert watch.speaking() == set()


def test_a_fold_that_fails_again_and_again_is_told_for_an_hour(
    app: DeployedApp, watch: Watch
) -> None:
    edit(app, 6)
    every = calls(function=app.function("FoldSnapshot"))
    with fold_due(app, COLLECTION), app.proxy.failing(every, REFUSED, times=None):
        assert app.run().outcome.succeeded, "readers replay more, and nobody waits for a change"
    assert watch.speaking() == {"fold-fails"}
    watch.passes(30)
    assert watch.speaking() == {"fold-fails"}


def test_a_fold_that_its_function_is_too_small_for_is_told_and_not_begun(
    app: DeployedApp, watch: Watch
) -> None:
    edit(app, 7)
    begun = ended_calls(app, "FoldSnapshot")
    with (
        fold_due(app, COLLECTION),
        app.functions.configured("UploadSnapshot", FOLD_MEMORY_MB="1"),
    ):
        assert app.run().outcome.succeeded
    assert watch.speaking() == {"fold-too-large"}
    assert ended_calls(app, "FoldSnapshot") == begun
    watch.passes(6)
    assert watch.speaking() == set()


def test_a_function_that_needs_most_of_its_memory_is_told_of(
    app: DeployedApp, watch: Watch
) -> None:
    """Nothing here ends a process that needs more than it is given."""
    edit(app, 4)
    with app.functions.configured("ApplyUpdates", memory=128):
        assert app.run().outcome.succeeded
    assert watch.speaking() == {"memory-nearly-used"}


def test_a_sweep_that_fails_is_told_for_an_hour(app: DeployedApp, watch: Watch) -> None:
    client = app.target.client("lambda")
    (sweep,) = (
        function["FunctionName"]
        for page in client.get_paginator("list_functions").paginate()
        for function in page["Functions"]
        if function.get("Description") == "Instep: sweep_versions"
        and function["FunctionName"].startswith(f"{STACK}-")
    )
    with app.proxy.failing(calls(function=sweep), REFUSED, times=None):
        answer = client.invoke(FunctionName=sweep, Payload=json.dumps({"collection": "words"}))
    assert "FunctionError" in answer
    assert watch.speaking() == {"sweep-fails"}
    watch.passes(30)
    assert watch.speaking() == {"sweep-fails"}
