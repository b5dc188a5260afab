"""The synthesized definitions on moto's interpreter: every Retry, Catch and Choice edge of both is
taken, and whatever happened, the leases are free, nothing is lost, and the next run heals.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from instep.errors import LeaseLost, LockBusy, SnapshotConflict, StorageUnavailable
from instep.snapshot import folding
from tests.support.edges import Edge, all_states, edges_of, errors_of
from tests.support.interpreter import RECEIPT, Interpreter

OF_A_BATCH = ["AcquireLock", "ApplyUpdates", "UploadSnapshot", "ReleaseLock", "SettleBatch"]
OF_A_FOLD = ["LockToFold", "FoldSnapshot", "ReleaseLockAfterFold"]
FUNCTIONS = [
    *(("round", state) for state in ["ParseBatch", *OF_A_BATCH]),
    *(("runner", state) for state in ["ParseBatch", *OF_A_BATCH, *OF_A_FOLD]),
]
TRIED_ONCE = {("runner", "FoldSnapshot"), ("round", "ApplyUpdates")}  # after a death
NOT_CAUGHT = {"ParseBatch", "SettleBatch", "Round"}
REFUSED = [
    StorageUnavailable.__name__,
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.TooManyRequestsException",
    "Lambda.EFSMountConnectivityException",
    "Lambda.EFSMountTimeoutException",
    "Lambda.EFSIOException",
]
DEATHS = ["Lambda.Unknown", "Sandbox.Timedout", "Runtime.ExitError", "States.Timeout"]
ONE_OF_A_KIND = {REFUSED[0], "Lambda.TooManyRequestsException", "Runtime.ExitError"}
RUNNER, ROUND = "runner", "round"


def retried(machine: str, state: str) -> list[str]:
    return REFUSED if (machine, state) in TRIED_ONCE else [*REFUSED, *DEATHS]


def arrive(machine: Interpreter, where: str, state: str, patch: pytest.MonkeyPatch) -> None:
    """Let a receipt come, so that this state of this machine has a part in what follows: a large
    round is the runner's own, and the receipt's four words make a fold due as hundreds do.
    """
    machine.arrive()
    if where == RUNNER and state in OF_A_BATCH:
        machine.after_a_death()
    if state in OF_A_FOLD:
        patch.setattr(folding, "PENDING_VECTORS", 4)


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
    execution = machine.run()
    assert execution.status == "SUCCEEDED", execution.cause
    assert execution.output["tally"]["failures"] == 0
    for error in errors:
        assert machine.clause(where, state, "Retry", error) in execution.edges
    assert len(machine.waits) == len(errors)
    machine.settled()


@pytest.mark.invariant(1)
@pytest.mark.parametrize(("where", "state"), FUNCTIONS)
def test_a_lost_answer_is_harmless(
    machine: Interpreter, where: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function did its work and died before it could say so: every state is idempotent."""
    arrive(machine, where, state, monkeypatch)
    machine.fail(where, state, "Runtime.ExitError", after=True)
    execution = machine.run()
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
@pytest.mark.parametrize("state", ["ParseBatch", "SettleBatch"])
@pytest.mark.parametrize(
    ("error", "after"),
    [(StorageUnavailable.__name__, False), ("Runtime.ExitError", True), ("KeyError", False)],
)
def test_what_fails_outside_the_collections_fails_the_execution(
    machine: Interpreter, state: str, error: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(machine, RUNNER, state, monkeypatch)
    machine.fail(RUNNER, state, error, times=20, after=after)
    execution = machine.run()
    assert (execution.status, execution.error) == ("FAILED", error)
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
    assert (execution.status, execution.error) == ("FAILED", "States.Runtime")
    assert error in execution.cause
    machine.followed()
    assert not machine.held_leases()
    machine.pipeline.ingest(machine.pipeline.put(RECEIPT.label(1, "TOTAL", "VALID")))
    assert "SettleBatch" in machine.heals().calls(RUNNER), "large"


# -- every Choice


def test_an_idle_start_ends_at_once(machine: Interpreter) -> None:
    execution = machine.run()
    assert execution.states == ["ParseBatch"]
    assert execution.transitions == 3  # ParseBatch, Next?, Succeeded
    assert Edge(RUNNER, "Next?", "Choice", "Succeeded") in execution.edges


def test_a_change_costs_eight_transitions_and_each_further_round_three(
    machine: Interpreter,
) -> None:
    machine.arrive()
    first = machine.run(name="first")
    assert first.transitions == 8  # an idle start's, and twice Round and Next?, and a Pause
    assert (first.output["tally"]["looks"], first.output["tally"]["rounds"]) == (2, 1)
    machine.pipeline.ingest(machine.pipeline.put(RECEIPT.label(1, "TOTAL", "VALID")))
    machine.fail(ROUND, "ApplyUpdates", LeaseLost.__name__, times=4)
    steady = machine.run(name="steady")
    assert steady.output["tally"]["rounds"] == 5
    looks = steady.output["tally"]["looks"]
    assert steady.transitions == 8 + 3 * (looks - 2)
    assert steady.states.count("Pause") == looks - 1
    machine.settled()


def test_nothing_changed_publishes_nothing(machine: Interpreter) -> None:
    machine.arrive()
    machine.run(name="first")
    for where in (ROUND, RUNNER):
        machine.pipeline.ingest(machine.pipeline.put(RECEIPT.label(99, f"NONE {where}", "VALID")))
        if where == RUNNER:
            machine.after_a_death()
        execution = machine.run(name=where)
        assert "UploadSnapshot" not in execution.states
        assert Edge(where, "Changed?", "Choice", "Applied") in execution.edges
    machine.settled()


def test_what_comes_while_a_round_works_is_the_next_ones_batch(machine: Interpreter) -> None:
    machine.arrive()
    late = machine.pipeline.put(RECEIPT.label(1, "TOTAL", "VALID"))
    upload = machine.pipeline.handler("upload_snapshot")

    def upload_meanwhile(event: dict[str, Any], context: Any) -> dict[str, Any]:
        machine.pipeline.ingest([late.pop()] if late else [])
        return upload(event, context)

    machine.pipeline.handlers["upload_snapshot"] = upload_meanwhile
    execution = machine.run()
    assert execution.output["tally"]["rounds"] == 2
    assert Edge(ROUND, "HasWork?", "Choice", "EachCollection") in execution.edges
    assert Edge(ROUND, "HasWork?", "Choice", "Looked") in execution.edges
    machine.settled()


def test_pasted_records_are_worked_on_beside_the_inbox(machine: Interpreter) -> None:
    machine.arrive()
    (record,) = machine.pipeline.put(RECEIPT.label(1, "TOTAL", "VALID"))
    execution = machine.run({"Records": [record]})
    assert execution.states.count("ParseBatch") == 1
    assert execution.transitions == 5  # ParseBatch, Next?, Round, Next?, Succeeded
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
    """What the tests above and of test_fold_path.py take, told apart by machine, state, kind and a
    word of the edge's label.
    """

    machine: str
    state: str
    kind: str
    word: str


def of_a_batch(machine: str) -> set[Way]:
    return {
        Way(machine, "AcquireLock", "Catch", LockBusy.__name__),
        Way(machine, "AcquireLock", "Catch", LeaseLost.__name__),
        Way(machine, "AcquireLock", "Retry", LockBusy.__name__),
        Way(machine, "ApplyUpdates", "Catch", LeaseLost.__name__),
        Way(machine, "UploadSnapshot", "Catch", LeaseLost.__name__),
        Way(machine, "UploadSnapshot", "Catch", SnapshotConflict.__name__),
        Way(machine, "Attempts?", "Choice", "ApplyUpdates"),
        Way(machine, "Attempts?", "Choice", "Deferred"),
        Way(machine, "Changed?", "Choice", "UploadSnapshot"),
        Way(machine, "Changed?", "Choice", "Applied"),
    }


WAYS = {
    *(Way(*where, "Retry", error) for where in FUNCTIONS for error in retried(*where)),
    *(Way(*where, "Catch", "States.ALL") for where in FUNCTIONS if where[1] not in NOT_CAUGHT),
    *of_a_batch(ROUND),
    *of_a_batch(RUNNER),
    Way(ROUND, "Parsed?", "Choice", "EachCollection"),
    Way(ROUND, "Parsed?", "Choice", "ParseBatch"),
    Way(ROUND, "HasWork?", "Choice", "EachCollection"),
    Way(ROUND, "HasWork?", "Choice", "Looked"),
    Way(RUNNER, "Round", "Retry", "States.TaskFailed"),
    Way(RUNNER, "LockToFold", "Retry", LockBusy.__name__),
    Way(RUNNER, "Next?", "Choice", "Pause"),
    Way(RUNNER, "Next?", "Choice", "Round"),
    Way(RUNNER, "Next?", "Choice", "EachCollection"),
    Way(RUNNER, "Next?", "Choice", "EachFold"),
    Way(RUNNER, "Next?", "Choice", "RunFailed"),
    Way(RUNNER, "Next?", "Choice", "Succeeded"),
    Way(RUNNER, "AfterFold?", "Choice", "Pause"),
    Way(RUNNER, "AfterFold?", "Choice", "RunFailed"),
    Way(RUNNER, "AfterFold?", "Choice", "Succeeded"),
}


def test_every_edge_and_every_error_name_has_a_test(machines: Mapping[str, Any]) -> None:
    found = {
        Way(edge.machine, edge.state, edge.kind, word)
        for edge in edges_of(machines)
        for word in (errors_of(edge) if edge.kind != "Choice" else [edge.label])
    }
    assert found == WAYS


def test_every_task_has_a_handler(machines: Mapping[str, Any]) -> None:
    tasks = {
        (machine, name)
        for machine, definition in machines.items()
        for name, state in all_states(definition).items()
        if state["Type"] == "Task"
    }
    assert tasks == {*FUNCTIONS, (RUNNER, "Round")}
