"""The synthesized definitions on moto's interpreter: every Retry and Catch edge of both is taken,
and whatever happened, the leases are free, nothing is lost, and the next run heals.
"""

import pytest

from instep.errors import (
    EmbedderUnavailable,
    FormatUnknown,
    LeaseLost,
    LockBusy,
    SnapshotConflict,
    StorageUnavailable,
)
from instep.snapshot.acts import folding
from tests.support.edges import Edge
from tests.support.interpreter import RECEIPT, Interpreter
from tests.support.ways import (
    FUNCTIONS,
    OF_A_BATCH,
    OF_A_FOLD,
    ONE_OF_A_KIND,
    ROUND,
    RUNNER,
    retried,
)


def arrive(machine: Interpreter, where: str, state: str, patch: pytest.MonkeyPatch) -> None:
    """Let a receipt come, so that this state of this machine has a part in what follows: a large
    round is the runner's own, and the receipt's four words make a fold due as hundreds do.
    """
    machine.arrive()
    if where == RUNNER and state in OF_A_BATCH:
        machine.after_a_death()
    if state in OF_A_FOLD:
        patch.setattr(folding, "PENDING_VECTORS", 4)


def given(state: str) -> object:
    """Return the input of an execution that comes to this state."""
    return {"Sync": {"segments": 1}} if state == "SyncTable" else None


# -- every Retry: one failure of each kind is waited out, and nobody notices


@pytest.mark.invariant(1)
@pytest.mark.parametrize(("where", "state"), FUNCTIONS)
def test_transient_failures_are_tried_again(
    machine: Interpreter, where: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [error for error in retried(where, state) if error in ONE_OF_A_KIND]
    arrive(machine, where, state, monkeypatch)
    for error in errors:
        machine.fail(where, state, error, collection=None)
    execution = machine.run(given(state))
    assert execution.status == "SUCCEEDED", execution.cause
    assert execution.output["tally"]["failures"] == 0
    for error in errors:
        assert machine.clause(where, state, "Retry", error) in execution.edges
    assert len(machine.waits) == len(errors)
    machine.settled()


@pytest.mark.invariant(1)
@pytest.mark.parametrize("where", [ROUND, RUNNER])
def test_an_embedder_that_throttles_is_waited_for(
    machine: Interpreter, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(machine, where, "ApplyUpdates", monkeypatch)
    error = EmbedderUnavailable.__name__
    machine.fail(where, "ApplyUpdates", error, times=5)
    execution = machine.run()
    assert execution.status == "SUCCEEDED", execution.cause
    assert machine.clause(where, "ApplyUpdates", "Retry", error) in execution.edges
    machine.settled()


@pytest.mark.invariant(1)
@pytest.mark.parametrize(("where", "state"), FUNCTIONS)
def test_a_lost_answer_is_harmless(
    machine: Interpreter, where: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function did its work and died before it could say so: every state is idempotent."""
    arrive(machine, where, state, monkeypatch)
    machine.fail(where, state, "Runtime.ExitError", after=True)
    execution = machine.run(given(state))
    if (where, state) == (ROUND, "ApplyUpdates"):
        assert execution.error == "CompactionFailed"
        assert "ApplyUpdates" in execution.calls(RUNNER), "with more patience, in the same run"
        assert len(machine.pipeline.embeddings("words")) == 4
    else:
        assert execution.status == "SUCCEEDED", execution.cause
    machine.settled()


@pytest.mark.invariant(1)
@pytest.mark.parametrize("after", [False, True], ids=["refused", "answer-lost"])
def test_a_round_that_could_not_be_started_is_started_again(
    machine: Interpreter, after: bool
) -> None:
    machine.arrive()
    machine.fail(RUNNER, "Round", "Sfn.SfnException", after=after)
    execution = machine.run()
    assert execution.status == "SUCCEEDED", execution.cause
    assert machine.clause(RUNNER, "Round", "Retry", "States.TaskFailed") in execution.edges
    machine.settled()


# -- every Catch: what outlasts the retries stays inside its collection


@pytest.mark.invariant(1)
@pytest.mark.parametrize(
    ("state", "error", "collection"),
    [
        ("AcquireLock", StorageUnavailable.__name__, "lines"),
        ("AcquireLock", "KeyError", None),
        ("ApplyUpdates", "Runtime.ExitError", "lines"),
        ("ApplyUpdates", StorageUnavailable.__name__, None),
        ("UploadSnapshot", "KeyError", "lines"),
        ("UploadSnapshot", "Runtime.ExitError", None),
    ],
)
def test_a_failing_state_fails_its_collection_only(
    machine: Interpreter, state: str, error: str, collection: str | None
) -> None:
    """In a round, and then with the runner's patience; which has an end, too."""
    machine.arrive()
    for where in (ROUND, RUNNER):
        machine.fail(where, state, error, collection=collection, times=1000)
    execution = machine.run()
    for where in (ROUND, RUNNER):
        assert machine.clause(where, state, "Catch", "States.ALL") in execution.edges
    assert (execution.status, execution.error) == ("FAILED", "CompactionFailed")
    assert "failed" in execution.cause
    healthy = machine.pipeline.embeddings("words")
    assert bool(healthy) == (collection == "lines")
    machine.settled()


@pytest.mark.invariant(1)
@pytest.mark.parametrize(
    ("state", "error", "times"),
    [
        ("AcquireLock", LockBusy.__name__, 3),
        ("AcquireLock", LeaseLost.__name__, 1),
        ("ApplyUpdates", LeaseLost.__name__, 1),
        ("ApplyUpdates", FormatUnknown.__name__, 1),
        ("UploadSnapshot", LeaseLost.__name__, 1),
        ("UploadSnapshot", SnapshotConflict.__name__, 3),
    ],
)
@pytest.mark.parametrize("where", [ROUND, RUNNER])
def test_what_is_nobodys_fault_is_deferred_and_waited_for_without_failure(
    machine: Interpreter,
    where: str,
    state: str,
    error: str,
    times: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same execution comes back to it: no start is needed, and no luck."""
    arrive(machine, where, state, monkeypatch)
    machine.fail(where, state, error, times=times, collection="words")
    execution = machine.run()
    assert execution.status == "SUCCEEDED", execution.cause
    assert machine.clause(where, state, "Catch", error) in execution.edges
    tally = execution.output["tally"]
    assert (tally["failures"], tally["busy"], tally["rounds"]) == (0, 0, 2)
    assert tally["deferred"] > 0
    assert len(machine.pipeline.embeddings("words")) == 4
    assert len(machine.pipeline.embeddings("lines")) == 1
    machine.settled()


@pytest.mark.parametrize("where", [ROUND, RUNNER])
def test_a_busy_lease_is_waited_for(
    machine: Interpreter, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(machine, where, "AcquireLock", monkeypatch)
    machine.fail(where, "AcquireLock", LockBusy.__name__, times=2, collection="words")
    execution = machine.run()
    assert machine.clause(where, "AcquireLock", "Retry", LockBusy.__name__) in execution.edges
    assert execution.output["tally"]["deferred"] == 0
    assert len(machine.pipeline.embeddings("words")) == 4
    machine.settled()


@pytest.mark.parametrize("where", [ROUND, RUNNER])
def test_a_lost_race_is_applied_again(
    machine: Interpreter, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(machine, where, "UploadSnapshot", monkeypatch)
    machine.fail(where, "UploadSnapshot", SnapshotConflict.__name__, collection="words")
    execution = machine.run()
    assert execution.states.count("ApplyUpdates") == 3  # lines once, words twice
    assert Edge(where, "Attempts?", "Choice", "ApplyUpdates") in execution.edges
    machine.settled()


@pytest.mark.invariant(1)
@pytest.mark.parametrize("where", [ROUND, RUNNER])
def test_a_lease_that_cannot_be_released_expires(
    machine: Interpreter, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(machine, where, "ReleaseLock", monkeypatch)
    machine.fail(where, "ReleaseLock", "KeyError", times=2)
    execution = machine.run()
    assert execution.status == "SUCCEEDED", execution.cause
    assert machine.clause(where, "ReleaseLock", "Catch", "States.ALL") in execution.edges
    assert sorted(machine.held_leases()) == ["lines", "words"]
    assert len(machine.pipeline.embeddings("words")) == 4
    machine.heals()


# -- what fails outside the collections


@pytest.mark.invariant(1)
@pytest.mark.parametrize("state", ["ParseBatch", "SettleBatch", "SyncTable"])
@pytest.mark.parametrize(
    ("error", "after"),
    [(StorageUnavailable.__name__, False), ("Runtime.ExitError", True), ("KeyError", False)],
)
def test_what_fails_outside_the_collections_fails_the_execution(
    machine: Interpreter, state: str, error: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(machine, RUNNER, state, monkeypatch)
    machine.fail(RUNNER, state, error, times=20, after=after)
    execution = machine.run(given(state))
    assert execution.status == "FAILED"
    assert error in (execution.cause if state == "SettleBatch" else execution.error)
    machine.settled()


@pytest.mark.invariant(1)
@pytest.mark.parametrize(
    ("state", "error", "after"),
    [
        ("ParseBatch", "KeyError", False),
        ("SettleBatch", "KeyError", False),
        ("SettleBatch", "Runtime.ExitError", True),
    ],
)
def test_a_round_that_dies_takes_the_runner_along_and_a_new_one_has_more_patience(
    machine: Interpreter, state: str, error: str, after: bool
) -> None:
    machine.arrive()
    machine.fail(ROUND, state, error, times=20, after=after)
    execution = machine.run()
    named = "CompactionFailed" if state == "SettleBatch" else "States.Runtime"
    assert (execution.status, execution.error) == ("FAILED", named)
    assert error in execution.cause
    machine.followed()
    assert not machine.held_leases()
    machine.pipeline.ingest(machine.pipeline.put(RECEIPT.label(1, "TOTAL", "VALID")))
    assert "SettleBatch" in machine.heals().calls(RUNNER), "large"
