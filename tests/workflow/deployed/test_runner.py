"""One runner on the local cloud, its rules on: who comes while it works, what it costs, how what it
deferred is waited for, and who follows it when it ends badly.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import pytest

from instep.local.faults import Kill, LetRival, calls
from tests.support.cloud import eventually
from tests.support.contention import rival_holds
from tests.support.deployed import DeployedApp
from tests.support.deployed_machines import Run
from tests.support.phases import until_settling
from tests.support.receipts import Receipt


@pytest.fixture
def receipt(app: DeployedApp, request: pytest.FixtureRequest) -> Receipt:
    """A receipt of the test's own in both snapshots."""
    made = Receipt(request.node.name)
    app.seed(made)
    return made


@contextmanager
def working(app: DeployedApp) -> Iterator[Event]:
    """Hold the first ApplyUpdates in the block at its first call, which is let go at its end, or
    when the event is set; on entry nothing has been called yet.
    """
    reached, go = Event(), Event()

    def hold() -> None:
        reached.set()
        go.wait(60)

    worker = calls(function=app.function("ApplyUpdates"))
    with app.proxy.failing(worker, LetRival(hold)):
        try:
            yield reached
        finally:
            go.set()


def label(app: DeployedApp, receipt: Receipt, word: int) -> None:
    app.put(receipt.label(word, "TOTAL", "VALID"))


def announced(app: DeployedApp, receipt: Receipt, word: int) -> None:
    """Label a word, and wait until ingest has queued that and said so."""
    queued = app.runner().queued
    label(app, receipt, word)
    eventually(lambda: app.runner().queued > queued, "ingest has said so")


def labelled(app: DeployedApp, receipt: Receipt) -> set[int]:
    carried = app.embeddings("words", receipt.prefix)
    words = range(1, receipt.words + 1)
    return {word for word in words if carried[receipt.word_id(word)].get("valid_labels")}


def new(app: DeployedApp, before: set[str]) -> set[str]:
    return set(app.executions()) - before


def test_edits_that_arrive_while_a_runner_works_start_no_second_one(
    app: DeployedApp, receipt: Receipt
) -> None:
    before = set(app.executions())
    with app.triggers():
        with working(app) as reached:
            label(app, receipt, 1)
            assert reached.wait(60), "the first edit's run has come to its work"
            (runner,) = new(app, before)
            for word in (2, 3):
                announced(app, receipt, word)
            assert new(app, before) == {runner}
        run = app.ended(runner)
        assert run.outcome.succeeded, run.outcome
        assert labelled(app, receipt) == {1, 2, 3}
        assert run.calls("round").count("SettleBatch") == 2
        assert new(app, before) == {runner}
    assert app.waiting() == (0, 0)
    assert app.runner().runner is None


def test_a_start_that_meets_a_live_runner_ends_at_once_and_green(
    app: DeployedApp, receipt: Receipt
) -> None:
    app.change(receipt.label(1, "TOTAL", "VALID"))
    with working(app) as reached:
        runner = app.start()
        assert reached.wait(60)
        wishes = app.runner().queued
        second = app.run()
        assert second.outcome.succeeded
        assert (second.calls("runner"), second.transitions) == (["ParseBatch"], 3)
        assert app.runner().queued == wishes + 1
        assert app.runner().runner == runner.rpartition(":")[2]
    assert app.ended(runner).outcome.succeeded
    assert labelled(app, receipt) == {1}


def test_what_an_idle_start_a_lone_change_and_a_steady_round_cost(
    app: DeployedApp, receipt: Receipt
) -> None:
    """State transitions, which a Standard execution is paid by."""
    idle = app.run()
    assert (idle.transitions, idle.calls("runner")) == (3, ["ParseBatch"])
    app.change(receipt.label(1, "TOTAL", "VALID"))
    assert app.run().transitions == 8  # the idle start's, a Round, a Pause, a Round; Next? thrice
    app.change(receipt.label(2, "TOTAL", "VALID"))
    with until_settling(app, rival_holds(app)):
        steady = app.run()
    rounds = steady.calls("runner").count("Round")
    assert rounds >= 3
    assert steady.transitions == 8 + 3 * (rounds - 2)  # Round, Next?, Pause


@pytest.mark.invariant(1)
def test_an_aborted_runner_is_followed_and_what_it_held_comes_back(
    app: DeployedApp, receipt: Receipt
) -> None:
    client = app.target.client("stepfunctions")
    before = set(app.executions())
    with app.triggers():
        with working(app) as reached:
            label(app, receipt, 1)
            assert reached.wait(60)
            (aborted,) = new(app, before)
            client.stop_execution(executionArn=aborted)
            followers = eventually(
                lambda: new(app, before | {aborted}) if len(new(app, before)) == 3 else None,
                "the end is told, and a new runner started",
                timeout=20,
            )
            name = aborted.rpartition(":")[2]
            assert name != app.runner().runner
            assert app.lock("words").get("owner", {}).get("S") != name
        app.trust_the_queue()
        runs = {arn: app.ended(arn) for arn in followers}
        assert all(run.outcome.succeeded for run in runs.values())
        assert labelled(app, receipt) == {1}
    assert app.waiting() == (0, 0)
    assert app.rejected() == []


@pytest.mark.invariant(1)
def test_a_round_that_dies_is_followed_by_a_runner_that_takes_its_work_itself(
    app: DeployedApp, receipt: Receipt
) -> None:
    before = set(app.executions())
    settle = calls(function=app.function("SettleBatch"))
    with app.triggers():
        with app.proxy.failing(settle, Kill(), times=3):  # and each of its tries again
            label(app, receipt, 1)
            runs = eventually(
                lambda: new(app, before) if len(new(app, before)) == 3 else None,
                "a red run, its follower, and the new runner",
                timeout=60,
            )
        app.trust_the_queue()
        ended = sorted((app.ended(arn) for arn in runs), key=lambda run: run.outcome.started)
        assert [run.outcome.succeeded for run in ended] == [False, True, True]
        first, *folds = ended[1].calls("runner")
        assert (first, folds.count("FoldSnapshot")) == ("ParseBatch", 2), "one may be due"
        assert settled_by_itself(ended[2])
        assert len(new(app, before)) == 3, "nobody follows who ended well"
    assert labelled(app, receipt) == {1}
    assert app.waiting() == (0, 0)


def settled_by_itself(run: Run) -> bool:
    return "SettleBatch" in run.calls("runner")


@pytest.mark.invariant(1)
def test_what_is_deferred_is_waited_for_inside_the_execution(
    app: DeployedApp, receipt: Receipt
) -> None:
    before = set(app.executions())
    with app.triggers(), until_settling(app, rival_holds(app)):
        label(app, receipt, 1)
        runs = eventually(lambda: new(app, before), "ingest starts a run", timeout=60)
        (runner,) = runs
        run = app.ended(runner)
        assert run.outcome.succeeded
        assert labelled(app, receipt) == {1}
        assert new(app, before) == {runner}
    assert app.waiting() == (0, 0)
