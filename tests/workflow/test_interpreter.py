"""The synthesized definition on moto's interpreter: every Retry, Catch and Choice edge is taken,
and whatever happened, the lease is free, nothing is lost, and the next run heals.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from instep.errors import LeaseLost, LockBusy, SnapshotConflict, StorageUnavailable
from tests.support.edges import Edge, all_states, edges_of, errors_of
from tests.support.interpreter import Interpreter
from tests.support.receipts import Receipt

RECEIPT = Receipt("image-1")
TASKS = {
    "ParseBatch": "parse_batch",
    "AcquireLock": "acquire_lock",
    "ApplyUpdates": "apply_updates",
    "UploadSnapshot": "upload_snapshot",
    "FoldSnapshot": "fold_snapshot",
    "ReleaseLock": "release_lock",
    "SettleBatch": "settle_batch",
}
REFUSED = [
    StorageUnavailable.__name__,
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.EFSMountConnectivityException",
    "Lambda.EFSMountTimeoutException",
    "Lambda.EFSIOException",
]
DEATHS = ["Lambda.Unknown", "Sandbox.Timedout", "Runtime.ExitError", "States.Timeout"]
RETRIED = [  # a fold is not tried again after a death: the next run's is its second try
    (state, error)
    for state in TASKS
    for error in (REFUSED if state == "FoldSnapshot" else [*REFUSED, *DEATHS])
]


# -- every Retry: one failure is waited out, and nobody notices; one error takes its clause


@pytest.mark.invariant(1)
@pytest.mark.parametrize(
    ("state", "error"),
    [
        (state, error)
        for state, error in RETRIED
        if error in {REFUSED[0], "Lambda.TooManyRequestsException", "Runtime.ExitError"}
    ],
)
@pytest.mark.usefixtures("short_of_a_fold")
def test_one_transient_failure_is_tried_again(machine: Interpreter, state: str, error: str) -> None:
    machine.arrive()
    machine.pipeline.fail(TASKS[state], error)
    execution = machine.run()
    assert execution.status == "SUCCEEDED", execution.cause
    assert machine.clause(state, "Retry", error) in execution.edges
    assert len(machine.waits) == 1
    machine.settled()


@pytest.mark.invariant(1)
@pytest.mark.usefixtures("short_of_a_fold")
@pytest.mark.parametrize("state", TASKS)
def test_a_lost_answer_is_harmless(machine: Interpreter, state: str) -> None:
    """The function did its work and died before it could say so: every state is idempotent."""
    machine.arrive()
    machine.pipeline.fail(TASKS[state], "Runtime.ExitError", after=True)
    execution = machine.run()
    assert execution.status == "SUCCEEDED", execution.cause
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
    machine.arrive()
    machine.pipeline.fail(TASKS[state], error, collection=collection, times=20)
    execution = machine.run()
    assert machine.clause(state, "Catch", "States.ALL") in execution.edges
    assert (execution.status, execution.error) == ("FAILED", "CompactionFailed")
    assert error in execution.cause
    healthy = machine.pipeline.embeddings("words")
    assert bool(healthy) == (collection == "lines")
    machine.settled()


@pytest.mark.invariant(1)
@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("AcquireLock", LockBusy.__name__),
        ("AcquireLock", LeaseLost.__name__),
        ("ApplyUpdates", LeaseLost.__name__),
        ("UploadSnapshot", LeaseLost.__name__),
        ("UploadSnapshot", SnapshotConflict.__name__),
    ],
)
def test_what_is_nobodys_fault_defers_without_failure(
    machine: Interpreter, state: str, error: str
) -> None:
    machine.arrive()
    machine.pipeline.fail(TASKS[state], error, times=20, collection="words")
    execution = machine.run()
    assert execution.status == "SUCCEEDED", execution.cause
    assert machine.clause(state, "Catch", error) in execution.edges
    assert execution.output["deferred"] > 0
    assert machine.pipeline.embeddings("words") == {}
    assert len(machine.pipeline.embeddings("lines")) == 1
    machine.settled()


def test_a_busy_lease_is_waited_for(machine: Interpreter) -> None:
    machine.arrive()
    machine.pipeline.fail("acquire_lock", LockBusy.__name__, times=2, collection="words")
    execution = machine.run()
    assert machine.clause("AcquireLock", "Retry", LockBusy.__name__) in execution.edges
    assert len(machine.pipeline.embeddings("words")) == 4
    machine.settled()


def test_a_lost_race_is_applied_again(machine: Interpreter) -> None:
    machine.arrive()
    machine.pipeline.fail("upload_snapshot", SnapshotConflict.__name__, collection="words")
    execution = machine.run()
    assert execution.states.count("ApplyUpdates") == 3  # lines once, words twice
    assert Edge("Attempts?", "Choice", "ApplyUpdates") in execution.edges
    machine.settled()


@pytest.mark.invariant(1)
def test_a_lease_that_cannot_be_released_expires(machine: Interpreter) -> None:
    machine.arrive()
    machine.pipeline.fail("release_lock", "KeyError", times=2)
    execution = machine.run()
    assert execution.status == "SUCCEEDED", execution.cause
    assert machine.clause("ReleaseLock", "Catch", "States.ALL") in execution.edges
    assert sorted(machine.held_leases()) == ["lines", "words"]
    assert len(machine.pipeline.embeddings("words")) == 4


@pytest.mark.invariant(1)
@pytest.mark.parametrize("state", ["ParseBatch", "SettleBatch"])
@pytest.mark.parametrize(
    ("error", "after"),
    [(StorageUnavailable.__name__, False), ("Runtime.ExitError", True), ("KeyError", False)],
)
def test_what_fails_outside_the_collections_fails_the_execution(
    machine: Interpreter, state: str, error: str, after: bool
) -> None:
    machine.arrive()
    machine.pipeline.fail(TASKS[state], error, times=20, after=after)
    execution = machine.run()
    assert (execution.status, execution.error) == ("FAILED", error)
    machine.settled()


# -- every Choice


def test_an_idle_start_ends_at_once(machine: Interpreter) -> None:
    execution = machine.run()
    assert execution.states == ["ParseBatch"]
    assert Edge("HasWork?", "Choice", "Outcome?") in execution.edges


def test_nothing_changed_publishes_nothing(machine: Interpreter) -> None:
    machine.arrive()
    machine.run(name="first")
    machine.pipeline.ingest(machine.pipeline.put(RECEIPT.label(99, "NO SUCH WORD", "VALID")))
    execution = machine.run(name="second")
    assert "UploadSnapshot" not in execution.states
    assert Edge("Changed?", "Choice", "Applied") in execution.edges
    machine.settled()


def test_what_piled_up_meanwhile_is_the_next_rounds_batch(machine: Interpreter) -> None:
    machine.arrive()
    (record,) = machine.pipeline.put(RECEIPT.label(1, "TOTAL", "VALID"))
    execution = machine.run({"Records": [record]})
    assert execution.states.count("ParseBatch") == 3  # the input, the inbox, nothing left
    assert Edge("MoreWork?", "Choice", "ParseBatch") in execution.edges
    machine.settled()


@pytest.mark.parametrize("content", ["text", [1], {"unknown": 1}, {"Records": 7}, "x" * 200_000])
def test_input_of_no_accepted_shape_fails_with_a_cause_that_teaches(
    machine: Interpreter, content: object
) -> None:
    execution = machine.run(content)
    assert (execution.status, execution.error) == ("FAILED", "InputRejected")
    assert "drains the inbox" in execution.cause
    assert "For example" in execution.cause


# -- and that this is all of them


@dataclass(frozen=True)
class Way:
    """What the tests above take, told apart by state, kind and a word of the edge's label."""

    state: str
    kind: str
    word: str


WAYS = {
    *(Way(state, "Retry", error) for state, error in RETRIED),
    *(
        Way(state, "Catch", "States.ALL")
        for state in TASKS
        if state not in {"ParseBatch", "SettleBatch"}
    ),
    Way("AcquireLock", "Catch", LockBusy.__name__),
    Way("AcquireLock", "Catch", LeaseLost.__name__),
    Way("AcquireLock", "Retry", LockBusy.__name__),
    Way("ApplyUpdates", "Catch", LeaseLost.__name__),
    Way("UploadSnapshot", "Catch", LeaseLost.__name__),
    Way("UploadSnapshot", "Catch", SnapshotConflict.__name__),
    Way("Attempts?", "Choice", "ApplyUpdates"),
    Way("Attempts?", "Choice", "Deferred"),
    Way("NeedsFold?", "Choice", "FoldSnapshot"),
    Way("NeedsFold?", "Choice", "Applied"),
    Way("Changed?", "Choice", "UploadSnapshot"),
    Way("Changed?", "Choice", "Applied"),
    Way("HasWork?", "Choice", "EachCollection"),
    Way("HasWork?", "Choice", "Outcome?"),
    Way("MoreWork?", "Choice", "ParseBatch"),
    Way("MoreWork?", "Choice", "Outcome?"),
    Way("Outcome?", "Choice", "RunFailed"),
    Way("Outcome?", "Choice", "Succeeded"),
}


def test_every_edge_and_every_error_name_has_a_test(definition: Mapping[str, Any]) -> None:
    found = {
        Way(edge.state, edge.kind, word)
        for edge in edges_of(definition)
        for word in (errors_of(edge) if edge.kind != "Choice" else [edge.label])
    }
    assert found == WAYS


def test_every_task_has_a_handler(definition: Mapping[str, Any]) -> None:
    tasks = {name for name, state in all_states(definition).items() if state["Type"] == "Task"}
    assert tasks == set(TASKS)
