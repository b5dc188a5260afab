"""Every Retry, Catch and Choice edge is taken by the deployed workflow, and nothing is ever lost.

Each scenario of tests/support/trouble.py happens to a label edit whose signal waits in the inbox.
Whatever happens, the lease is given back, and the next run brings the edit into the snapshot.
"""

from collections.abc import Iterator

import pytest

from tests.support.cloud import eventually
from tests.support.deployed import DeployedApp, Run
from tests.support.edges import edges_of
from tests.support.items import record
from tests.support.receipts import Receipt
from tests.support.scenario import Scenario
from tests.support.trouble import (
    COLLECTION,
    covered,
    mocked_platform,
    scenarios,
    tasks_of,
)
from tests.support.trouble import TASKS as KNOWN_TASKS
from tools.local_cloud.launcher import LocalCloud

SCENARIOS = scenarios()
RECEIPT = Receipt("edges", words=len(SCENARIOS))
REDELIVERY = 6  # seconds a message stays hidden here, instead of an hour


@pytest.fixture(scope="module")
def seeded(deployed: DeployedApp, running: tuple[LocalCloud, object]) -> Iterator[DeployedApp]:
    """The receipt's embeddings are in the snapshot; the platform's refusals can be asked for."""
    app = deployed
    machine = app.deployment.state_machine_arn.rpartition(":")[2]
    running[0].set(**{"stepfunctions._sfn_mock_config": mocked_platform(machine)})
    usual = app.redeliver_after(REDELIVERY)
    app.drained()
    app.seed(RECEIPT)
    yield app
    app.redeliver_after(usual)


@pytest.mark.invariant(1)
@pytest.mark.invariant(2)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.usefixtures("seeded")
def test_trouble_takes_its_edges_and_loses_nothing(scenario: Scenario, app: DeployedApp) -> None:
    word = 1 + SCENARIOS.index(scenario)
    edit(app, word, scenario)

    with scenario.trouble(app):
        run = app.run(case=scenario.case)

    assert {promise.find(app.definition) for promise in scenario.promises} <= run.edges
    assert run.outcome.succeeded is not scenario.fails, run.outcome
    assert run.outcome.succeeded or run.outcome.cause
    assert "owner" not in app.lock(COLLECTION) or lease_is_left(scenario, app)
    recovered(app)
    if scenario.queued:
        labels = app.embeddings(COLLECTION, RECEIPT.word_id(word))[RECEIPT.word_id(word)]
        assert labels["valid_labels"] == ",TOTAL,"


def edit(app: DeployedApp, word: int, scenario: Scenario) -> None:
    """Label the word in the table, so that ingest queues the signal, unless the inbox should be
    empty; for a signal that says nothing new, the snapshot carries the label already.
    """
    if not scenario.queued:
        return
    label = RECEIPT.label(word, "TOTAL", "VALID")
    app.change(label)
    if not scenario.changed:
        assert app.run().outcome.succeeded
        app.send(record(label))


def lease_is_left(scenario: Scenario, app: DeployedApp) -> bool:
    """ReleaseLock itself never got through: the lease is left to expire, as declared."""
    held = scenario.name in {"refused-ReleaseLock", "throttled-ReleaseLock"}
    if held:
        app.free(COLLECTION)
    return held


def recovered(app: DeployedApp) -> None:
    """Start runs, as the schedule does, until the inbox is empty; none of them may fail."""

    def drain() -> Run | None:
        run = app.run()
        assert run.outcome.succeeded, run.outcome
        return run if app.waiting() == (0, 0) else None

    eventually(drain, "what was taken comes back and is applied")
    assert app.rejected() == []
    assert "owner" not in app.lock(COLLECTION)


def test_the_scenarios_promise_every_edge_of_the_definition(app: DeployedApp) -> None:
    """A new Retry, Catch or Choice, or a new state, fails here until something brings it about."""
    assert sorted(set(edges_of(app.definition)) - covered(app.definition)) == []
    assert tasks_of(app.definition) == set(KNOWN_TASKS)
