"""Each alarm is set off by the deployed app, and falls silent.

The alarms are those of the deployed template; their metrics are what the functions printed and the
services tell. The clock of who watches is put forward instead of waiting: what happened in these
minutes is then as long ago as an alarm looks back.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path

import pytest
from botocore.config import Config

from benchmarks.function_logs import FunctionLogs
from instep.aws.objects import Objects
from instep.cli.redrive import starter_of
from instep.cli.session import Session
from instep.cli.standing import inbox_of
from instep.clock import utc_now
from instep.flow.failed_batches import FailedBatches
from instep.flow.redriving import Wanted, redrive
from instep.local.alarms import AlarmStates, read_alarms
from instep.local.cloud_metrics import CloudMetrics
from instep.local.faults import Delay, Hold, Kill, calls
from instep.local.wire import AwsCall
from receipt_domain import DOMAIN
from tests.support.cloud import eventually
from tests.support.contention import COLLECTION
from tests.support.deployed import DeployedApp
from tests.support.due import fold_due
from tests.support.items import record
from tests.support.receipts import Receipt
from tests.support.trouble import REFUSED

STACK = "Instep"
RECEIPT = Receipt("alarms", words=13)
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

    def of(self, name: str, share: float) -> None:
        """Hold this alarm to a share of its threshold."""
        declared = self._states.alarms
        lower = replace(declared[name], threshold=share * declared[name].threshold)
        self._states = replace(self._states, alarms={**declared, name: lower})

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


def each_minute(watch: Watch, minutes: int) -> list[set[str]]:
    """Say who speaks now, and a minute later, and so on."""
    told = [watch.speaking()]
    for _ in range(minutes):
        watch.passes(1)
        told.append(watch.speaking())
    return told


def edit(app: DeployedApp, word: int) -> None:
    """Change a word that no other test changes: else there may be nothing to change."""
    app.change(RECEIPT.label(word, "TOTAL", "VALID"))


def ended_calls(app: DeployedApp, state: str) -> int:
    return sum(line.startswith("REPORT ") for line in app.functions.log(state))


def test_every_alarm_of_the_template_is_told_of_here(assembly: Path) -> None:
    (template,) = assembly.glob("*.template.json")
    here = Path(__file__).read_text()
    declared = read_alarms(json.loads(template.read_text()), PhysicalIds())
    assert [name for name in declared if f'"{name}"' not in here] == []


class PhysicalIds(dict[str, str]):
    """Whatever a resource is called."""

    def __missing__(self, logical: str) -> str:
        return logical


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
    watch.is_at(sent(app) + 14 * 60)  # by the queue's own clock, which is fast here
    told = each_minute(watch, 3)
    assert told == [set()] * 3 + [{"inbox-oldest-message"}], "nobody looked ten minutes ago"
    assert app.run().outcome.succeeded
    watch.passes(6)
    assert watch.speaking() == set()


def sent(app: DeployedApp) -> float:
    """When the first message of the inbox was sent, in epoch seconds."""
    (message, *_) = app.target.client("sqs").receive_message(
        QueueUrl=app.deployment.inbox_queue_url,
        VisibilityTimeout=0,
        MessageSystemAttributeNames=["SentTimestamp"],
    )["Messages"]
    return int(message["Attributes"]["SentTimestamp"]) / 1_000


def test_a_run_that_takes_longer_than_any_should_is_told_and_the_next_one_follows(
    app: DeployedApp, watch: Watch
) -> None:
    edit(app, 5)
    short = json.dumps({**app.machines["runner"], "TimeoutSeconds": 1})
    held = calls(function=app.function("ParseBatch"))
    with app.redefined(short), app.proxy.failing(held, Hold(), times=None):
        run = app.run()
    assert run.outcome.status == "TIMED_OUT"
    assert watch.speaking() == {"executions-timed-out"}
    app.follow(run)
    app.trust_the_queue()
    assert app.run().outcome.succeeded
    assert watch.speaking() == {"executions-timed-out"}, "its call failed since: it ended as it did"
    watch.passes(6)
    assert watch.speaking() == set()


def test_records_that_ingest_does_not_get_through_are_told_until_it_does(
    app: DeployedApp, watch: Watch
) -> None:
    with app.proxy.failing(queueing(app), REFUSED, times=None) as rule:
        app.put(RECEIPT.label(8, "TOTAL", "INVALID"))
        eventually(lambda: rule.hits >= 2, "it is tried again")
        assert "stream-behind" not in watch.speaking()
        watch.passes(6)
        told = each_minute(watch, 5)
        assert ["stream-behind" in one for one in told] == [False] * 4 + [True] * 2
    eventually(lambda: app.waiting() != (0, 0), "they come when it can be done")
    assert app.run().outcome.succeeded
    watch.passes(6)
    assert watch.speaking() == set()


def queueing(app: DeployedApp) -> Callable[[AwsCall], bool]:
    return calls("SendMessageBatch", function=outside_of_states(app, "ingest"))


def outside_of_states(app: DeployedApp, service: str) -> str:
    """Return the deployed name of a function that no state calls."""
    return str(FunctionLogs(app.target, f"{STACK}-").functions[service]["FunctionName"])


def test_records_that_lambda_gives_up_are_told_and_come_in_again_by_redrive(
    app: DeployedApp, watch: Watch
) -> None:
    label = RECEIPT.label(9, "TOTAL", "INVALID")
    failures = Objects(app.target.client("s3"), app.deployment.failures_bucket)
    with of_age(app, seconds=1), app.proxy.failing(queueing(app), REFUSED, times=None):
        app.put(label)
        eventually(lambda: "records-given-up" in watch.speaking(), "they are given up")
    session = Session(app.target, app.deployment)
    source = FailedBatches(failures, DOMAIN)
    done = redrive(source, inbox_of(session), starter_of(session, STACK), Wanted())
    assert done.sent.total() == 1, done
    assert app.run().outcome.succeeded
    assert list(failures.list("")) == []
    words = app.embeddings("words", RECEIPT.prefix)
    assert words[RECEIPT.word_id(9)]["invalid_labels"] == ",TOTAL,"
    edit(app, 10)  # and what comes next is got through
    assert app.run().outcome.succeeded
    watch.passes(6)
    assert watch.speaking() == set()


@contextmanager
def of_age(app: DeployedApp, seconds: int) -> Iterator[None]:
    """Have Lambda give up records of the stream after so long, for its twelve hours."""
    client = app.target.client("lambda")
    (mapping,) = (
        one
        for one in client.list_event_source_mappings()["EventSourceMappings"]
        if f"function:{STACK}-" in one["FunctionArn"]
    )
    usual = mapping["MaximumRecordAgeInSeconds"]
    client.update_event_source_mapping(UUID=mapping["UUID"], MaximumRecordAgeInSeconds=seconds)
    try:
        yield
    finally:
        client.update_event_source_mapping(UUID=mapping["UUID"], MaximumRecordAgeInSeconds=usual)


def test_calls_that_lambda_refuses_are_told_when_it_goes_on(app: DeployedApp, watch: Watch) -> None:
    """The account's concurrency is used up: no function of it is called."""
    client = app.target.client("lambda", Config(retries={"total_max_attempts": 1}))
    function = app.function("ParseBatch")

    def refused() -> None:
        with pytest.raises(client.exceptions.TooManyRequestsException):
            client.invoke(FunctionName=function, Payload=b"{}")

    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    try:
        refused()
        assert watch.speaking() == set(), "one period is no trouble"
        between = ceil(utc_now().timestamp())
        eventually(lambda: utc_now().timestamp() > between, "it counts by the second")
        refused()
    finally:
        client.delete_function_concurrency(FunctionName=function)
    watch.is_at(between + FIVE_MINUTES)
    assert watch.speaking() == {"function-throttles"}


def test_a_call_that_needs_most_of_its_time_is_told(app: DeployedApp, watch: Watch) -> None:
    """It is given three seconds for its minutes, and the alarm the same share of them."""
    seconds, function = 3, app.function("ApplyUpdates")
    usual = app.target.client("lambda").get_function_configuration(FunctionName=function)
    watch.of("apply-updates-slow", share=seconds / usual["Timeout"])
    edit(app, 12)
    assert app.run().outcome.succeeded
    assert watch.speaking() == set()
    edit(app, 11)
    slow = calls(function=function, path=COLLECTION)
    with (
        app.functions.configured("ApplyUpdates", timeout=seconds),
        app.proxy.failing(slow, Delay(0.85 * seconds)),
    ):
        assert app.run().outcome.succeeded
    assert watch.speaking() == {"apply-updates-slow"}


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
    client, sweep = app.target.client("lambda"), outside_of_states(app, "sweep_versions")
    with app.proxy.failing(calls(function=sweep), REFUSED, times=None):
        answer = client.invoke(FunctionName=sweep, Payload=json.dumps({"collection": "words"}))
    assert "FunctionError" in answer
    assert watch.speaking() == {"sweep-fails"}
    watch.passes(30)
    assert watch.speaking() == {"sweep-fails"}
