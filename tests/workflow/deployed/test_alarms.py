"""Each alarm is set off by the deployed app, and falls silent; the stream's own are in
test_stream_alarms.py.
"""

import json
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from instep.clock import utc_now
from instep.local.alarms import read_alarms
from instep.local.faults import Delay, Hold, Kill, calls
from tests.support.cloud import eventually
from tests.support.contention import COLLECTION
from tests.support.deployed import DeployedApp
from tests.support.due import fold_due
from tests.support.items import record
from tests.support.receipts import Receipt
from tests.support.trouble import REFUSED
from tests.support.watch import Watch

RECEIPT = Receipt("alarms", words=13)
FIVE_MINUTES = 300.0


@pytest.fixture(scope="module", autouse=True)
def seeded(deployed: DeployedApp) -> None:
    deployed.drained()
    deployed.seed(RECEIPT)


def edit(app: DeployedApp, word: int) -> None:
    """Change a word that no other test changes: else there may be nothing to change."""
    app.change(RECEIPT.label(word, "TOTAL", "VALID"))


def ended_calls(app: DeployedApp, state: str) -> int:
    return sum(line.startswith("REPORT ") for line in app.functions.log(state))


def test_every_alarm_of_the_template_is_told_of_here(assembly: Path) -> None:
    (template,) = assembly.glob("*.template.json")
    here = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*alarms.py"))
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
    told = watch.each_minute(3)
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


def test_a_run_whose_time_ends_while_it_holds_a_lease_loses_nothing_of_what_came_meanwhile(
    app: DeployedApp, watch: Watch
) -> None:
    edit(app, 8)
    short = json.dumps({**app.machines["runner"], "TimeoutSeconds": 12})
    held = calls(function=app.function("ApplyUpdates"))
    with app.redefined(short), app.proxy.failing(held, Hold(), times=None) as rule:
        arn = app.start()
        eventually(lambda: rule.hits, "it applies what was there")
        app.write(RECEIPT.label(9, "TOTAL", "VALID"))
        run = app.ended(arn)
    assert run.outcome.status == "TIMED_OUT"
    assert "owner" in app.lock(COLLECTION)
    assert watch.speaking() == {"executions-timed-out"}
    app.free(COLLECTION)
    app.follow(run)
    app.trust_the_queue()
    assert app.run().outcome.succeeded
    words = app.embeddings(COLLECTION, RECEIPT.prefix)
    assert [words[RECEIPT.word_id(word)].get("valid_labels") for word in (8, 9)] == [",TOTAL,"] * 2
    watch.passes(6)
    assert watch.speaking() == set()


def test_troubles_at_once_are_each_told_and_none_that_was_not(
    app: DeployedApp, watch: Watch
) -> None:
    edit(app, 10)
    app.send("no record")
    fold = calls(function=app.function("FoldSnapshot"))
    sweep = calls(function=app.outside_of_states("sweep_versions"))
    with (
        fold_due(app, COLLECTION),
        app.functions.configured("ApplyUpdates", memory=128),
        app.proxy.failing(fold, REFUSED, times=None),
        app.proxy.failing(sweep, REFUSED, times=None),
    ):
        assert app.run().outcome.succeeded
        swept(app)
    told = {"dlq-holds-messages", "fold-fails", "memory-nearly-used", "sweep-fails"}
    assert watch.speaking() == told
    assert len(app.rejected()) == 1
    watch.passes(6)
    assert watch.speaking() == {"fold-fails", "sweep-fails"}


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
    """The alarm takes seconds for its minutes; the function keeps them, however slow it is here."""
    seconds, function = 6, app.function("ApplyUpdates")
    usual = app.target.client("lambda").get_function_configuration(FunctionName=function)
    watch.of("apply-updates-slow", share=seconds / usual["Timeout"])
    edit(app, 12)
    assert app.run().outcome.succeeded
    assert watch.speaking() == set()
    edit(app, 11)
    slow = calls(function=function, path=COLLECTION)
    with app.proxy.failing(slow, Delay(0.85 * seconds)):
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
    every = calls(function=app.outside_of_states("sweep_versions"))
    with app.proxy.failing(every, REFUSED, times=None):
        assert "FunctionError" in swept(app)
    assert watch.speaking() == {"sweep-fails"}
    watch.passes(30)
    assert watch.speaking() == {"sweep-fails"}


def swept(app: DeployedApp) -> dict[str, Any]:
    """Return Lambda's answer to a sweep."""
    function, payload = app.outside_of_states("sweep_versions"), {"collection": COLLECTION}
    client = app.target.client("lambda")
    return dict(client.invoke(FunctionName=function, Payload=json.dumps(payload)))
