"""Every Retry, Catch and Choice edge is taken by the deployed workflow, and nothing is ever lost.

Each scenario of tests/support/trouble.py happens to a label edit whose signal waits in the inbox.
Whatever happens, the lease is given back, and the edit is brought into the snapshot: by the same
run, or by the next one.
"""

import pytest

from instep.local.launcher import LocalCloud
from tests.support.cloud import eventually
from tests.support.contention import COLLECTION
from tests.support.deployed import DeployedApp
from tests.support.items import record
from tests.support.receipts import Receipt
from tests.support.scenario import Scenario
from tests.support.trouble import (
    PLACES,
    mocked_platform,
    scenarios,
    tasks_of,
    uncovered,
)

SCENARIOS = scenarios()
RECEIPT = Receipt("edges", words=len(SCENARIOS))


@pytest.fixture(scope="module")
def seeded(deployed: DeployedApp, running: tuple[LocalCloud, object]) -> DeployedApp:
    """The receipt's embeddings are in the snapshot; the platform's refusals can be asked for."""
    app = deployed
    start = app.machines["runner"]["States"]["Round"]["Parameters"]["StateMachineArn"]
    arns = (app.deployment.state_machine_arn, start)
    mocked = mocked_platform(*(arn.rpartition(":")[2] for arn in arns))
    running[0].set(**{"stepfunctions._sfn_mock_config": mocked})
    app.drained()
    app.seed(RECEIPT)
    return app


@pytest.mark.invariant(1)
@pytest.mark.invariant(2)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.usefixtures("seeded")
def test_trouble_takes_its_edges_and_loses_nothing(scenario: Scenario, app: DeployedApp) -> None:
    word = 1 + SCENARIOS.index(scenario)
    given = edit(app, word, scenario)

    with scenario.trouble(app):
        run = app.run(given, case=scenario.case)

    missing = {promise.find(app.machines) for promise in scenario.promises} - run.edges
    assert not missing, f"{run.outcome}, {sorted(map(str, run.edges))}"
    assert run.outcome.succeeded is not scenario.fails, run.outcome
    assert run.outcome.succeeded or run.outcome.cause
    app.follow(run)
    if scenario.synced and scenario.fails:
        assert app.run(given).outcome.succeeded, "begun again, it comes through"
    assert "owner" not in app.lock(COLLECTION) or lease_is_left(scenario, app)
    recovered(app)
    if scenario.queued:
        labels = app.embeddings(COLLECTION, RECEIPT.word_id(word))[RECEIPT.word_id(word)]
        assert labels["valid_labels"] == ",TOTAL,"


def edit(app: DeployedApp, word: int, scenario: Scenario) -> object | None:
    """Label the word in the table, so that ingest queues the signal, unless the inbox should be
    empty; for a signal that says nothing new, the snapshot carries the label already. Return what
    the execution is given.
    """
    if not scenario.queued:
        return None
    label = RECEIPT.label(word, "TOTAL", "VALID")
    app.change(label)
    if scenario.pasted or scenario.synced:
        app.empty_queues()
        return {"Records": [record(label)]} if scenario.pasted else {"Sync": {"segments": 1}}
    if not scenario.changed:
        assert app.run().outcome.succeeded
        app.send(record(label))
    return None


def lease_is_left(scenario: Scenario, app: DeployedApp) -> bool:
    """ReleaseLock itself never got through: the lease is left to expire, as declared."""
    held = "ReleaseLock" in scenario.name
    if held:
        app.free(COLLECTION)
    return held


def recovered(app: DeployedApp) -> None:
    """Start a run, as the rule on ends or the schedule does, which waits until all is back that an
    earlier one has hidden; it may not fail.
    """
    app.trust_the_queue()

    def drain() -> bool:
        run = app.run()
        assert run.outcome.succeeded, run.outcome
        return app.waiting() == (0, 0)

    eventually(drain, "what was taken comes back and is applied")
    assert app.rejected() == []
    assert "owner" not in app.lock(COLLECTION)
    assert app.runner().runner is None


# What MiniStack's histories do not tell, for two collections at once interleave, and of the states
# inside a Map only a function's is in them; and receipts have no embedder. Taken on moto's
# interpreter (test_fold_path.py, test_interpreter.py and test_sync_path.py).
UNTOLD = {
    "AfterFold?-Choice-RunFailed",
    "ApplyUpdates-Retry-EmbedderUnavailable",
    "MorePieces?-Choice-WaitForRoom",
}


def test_the_scenarios_promise_every_edge_of_the_definitions(app: DeployedApp) -> None:
    """A new Retry, Catch or Choice, or a new state, fails here until something brings it about."""
    assert uncovered(app.machines) == UNTOLD
    assert tasks_of(app.machines) == {*PLACES, "Round"}
