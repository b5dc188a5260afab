"""A fold is for readers: whatever becomes of it, its batch is applied, and it comes due again."""

from collections.abc import Mapping
from typing import Any

import pytest

from instep.aws.objects import Objects
from instep.errors import LockBusy, SnapshotConflict, StorageUnavailable
from instep.lambda_ import bulks, intake, looking
from instep.snapshot.acts import folding
from instep.snapshot.copy.store import SnapshotStore
from tests.support.aws import BUCKET
from tests.support.edges import Edge
from tests.support.interpreter import RECEIPT, Execution, Interpreter
from tests.support.receipts import Receipt

CATCH = "States.ALL"
OTHER = Receipt("image-2")


@pytest.mark.invariant(1)
@pytest.mark.usefixtures("short_of_a_fold")
@pytest.mark.parametrize(
    ("state", "error", "after"),
    [
        ("FoldSnapshot", "Runtime.ExitError", True),
        ("FoldSnapshot", "States.Timeout", False),
        ("FoldSnapshot", StorageUnavailable.__name__, False),
        ("FoldSnapshot", SnapshotConflict.__name__, False),
        ("LockToFold", LockBusy.__name__, False),
        ("LockToFold", "KeyError", True),
    ],
)
def test_whatever_becomes_of_a_fold_its_batch_is_applied_once(
    machine: Interpreter, state: str, error: str, after: bool
) -> None:
    machine.arrive()
    machine.fail("runner", state, error, times=20, after=after)
    execution = machine.run()
    assert execution.status == "SUCCEEDED", execution.cause
    assert machine.clause("runner", state, "Catch", CATCH) in execution.edges
    tally = execution.output["tally"]
    assert (tally["failures"], tally["deferred"]) == (0, 0)
    assert execution.states.count("ApplyUpdates") == 2, "once a collection"
    assert machine.pipeline.visible() == []
    machine.settled()


@pytest.mark.usefixtures("short_of_a_fold")
def test_a_busy_lease_is_waited_for_by_a_fold_too(machine: Interpreter) -> None:
    machine.arrive()
    machine.fail("runner", "LockToFold", LockBusy.__name__, times=2)
    execution = machine.run()
    retry = machine.clause("runner", "LockToFold", "Retry", LockBusy.__name__)
    assert retry in execution.edges
    assert pending(machine) == 0
    machine.settled()


@pytest.mark.invariant(1)
@pytest.mark.usefixtures("short_of_a_fold")
def test_a_folds_lease_that_cannot_be_released_expires(machine: Interpreter) -> None:
    machine.arrive()
    machine.fail("runner", "ReleaseLockAfterFold", "KeyError")
    execution = machine.run()
    assert execution.status == "SUCCEEDED", execution.cause
    assert machine.clause("runner", "ReleaseLockAfterFold", "Catch", CATCH) in execution.edges
    assert machine.held_leases() == ["words"]
    assert pending(machine) == 0
    machine.heals()


@pytest.mark.usefixtures("short_of_a_fold")
def test_a_fold_that_came_to_nothing_comes_due_again(machine: Interpreter) -> None:
    machine.arrive()
    machine.fail("runner", "FoldSnapshot", "Runtime.ExitError")
    machine.run(name="first")
    assert pending(machine) == 4
    machine.pipeline.ingest(machine.pipeline.put(RECEIPT.label(1, "TOTAL", "VALID")))
    second = machine.run(name="second")
    assert Edge("runner", "Next?", "Choice", "EachFold") in second.edges
    assert Edge("runner", "AfterFold?", "Choice", "Pause") in second.edges
    assert pending(machine) == 0
    machine.pipeline.ingest(machine.pipeline.put(RECEIPT.label(2, "TOTAL", "VALID")))
    third = machine.run(name="third")
    assert "FoldSnapshot" not in third.states
    machine.settled()


@pytest.mark.usefixtures("short_of_a_fold")
@pytest.mark.parametrize("failing", [False, True], ids=["green", "red"])
def test_a_fold_after_pasted_records_leaves_the_runs_colour_as_it_was(
    machine: Interpreter, failing: bool
) -> None:
    RECEIPT.upload(machine.pipeline.aws.s3, BUCKET)
    merchant = RECEIPT.metadata(merchant_name="shop")
    records = machine.pipeline.put(*RECEIPT.items(), merchant, RECEIPT.run())
    if failing:
        machine.fail("round", "ApplyUpdates", "KeyError", collection="lines")
    execution = machine.run({"Records": records})
    assert (execution.status, execution.error) == (
        ("FAILED", "CompactionFailed") if failing else ("SUCCEEDED", "")
    )
    assert ("KeyError" in execution.cause) is failing
    end = "RunFailed" if failing else "Succeeded"
    assert Edge("runner", "AfterFold?", "Choice", end) in execution.edges
    assert pending(machine) == 0
    machine.settled()


@pytest.mark.usefixtures("short_of_a_fold")
def test_after_a_bulk_a_fold_waits_for_a_look_that_finds_nothing(machine: Interpreter) -> None:
    machine.arrive()
    execution = machine.run()
    assert execution.status == "SUCCEEDED", execution.cause
    states = execution.states
    assert states.count("FoldSnapshot") == 1
    assert states[: states.index("LockToFold")].count("ParseBatch") == 2
    assert states[states.index("FoldSnapshot") :].count("ParseBatch") == 1, "and looked once more"
    assert pending(machine) == 0
    machine.settled()


@pytest.mark.usefixtures("short_of_a_fold")
@pytest.mark.parametrize("goes_on", [True, False], ids=["may go on", "is over"])
def test_one_fold_is_made_of_a_bulk_of_several_rounds(
    machine: Interpreter, monkeypatch: pytest.MonkeyPatch, goes_on: bool
) -> None:
    """A round of few between them does not end it, some of those in a row do."""
    monkeypatch.setattr(bulks, "QUIET", 2 if goes_on else 1)
    label = RECEIPT.label(1, "TOTAL", "VALID")
    execution = two_receipts(machine, monkeypatch, label)
    states = execution.states
    assert states.count("SettleBatch") == 3
    assert states.count("FoldSnapshot") == 1
    before = states[: states.index("FoldSnapshot")]
    assert before.count("SettleBatch") == 3
    assert before.count("ParseBatch") == (4 if goes_on else 3), "with a look that finds nothing"
    assert states[states.index("FoldSnapshot") :].count("ParseBatch") == 1
    assert pending(machine) == 0


@pytest.mark.usefixtures("short_of_a_fold")
def test_who_hands_over_folds_what_was_put_off_before(
    machine: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "LOOKS", 1)
    machine.arrive()
    execution = machine.run()
    assert execution.status == "SUCCEEDED", execution.cause
    assert execution.states.count("FoldSnapshot") == 1
    assert pending(machine) == 0
    machine.settled()


@pytest.mark.usefixtures("short_of_a_fold")
@pytest.mark.parametrize("dies", ["SettleBatch", "ParseBatch"])
def test_who_follows_a_runner_that_died_folds_what_that_one_had_put_off(
    machine: Interpreter, dies: str
) -> None:
    """Dead before or after its round was settled, it never came to the look that folds."""
    machine.arrive()
    settled = dies == "ParseBatch"  # the first look is the runner's own, the next a round's
    machine.fail("runner", dies, "KeyError", times=20, after=not settled, spared=int(settled))
    machine.fail("round", dies, "KeyError", times=20, after=not settled)
    died = machine.run()
    assert (died.status, "FoldSnapshot" in died.states) == ("FAILED", False)
    assert pending(machine) == 4
    machine.settled()
    assert pending(machine) == 0, "though nothing was left to be published"


@pytest.mark.usefixtures("short_of_a_fold")
def test_each_collection_of_a_bulk_is_folded_once(
    machine: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "PENDING_VECTORS", 1)  # the line of each receipt, too
    execution = two_receipts(machine, monkeypatch)
    assert execution.states.count("SettleBatch") == 2
    assert execution.states.count("FoldSnapshot") == 2
    assert [pending(machine, name) for name in ("words", "lines")] == [0, 0]


@pytest.mark.invariant(8)
@pytest.mark.usefixtures("short_of_a_fold")
@pytest.mark.parametrize("state", ["AcquireLock", "ApplyUpdates", "UploadSnapshot"])
def test_a_neighbour_that_fails_keeps_no_bulk_from_its_fold(
    machine: Interpreter, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(folding, "PENDING_VECTORS", 1)
    for part in ("round", "runner"):
        machine.fail(part, state, "KeyError", collection="lines", times=1000)
    execution = two_receipts(machine, monkeypatch)
    assert pending(machine) == 0
    assert len(machine.pipeline.embeddings("words")) == 8
    assert execution.states.count("FoldSnapshot") <= 2, "its bulk may have seemed to be over"
    machine.followed()
    machine.pipeline.aws.outlast_visibility()
    assert machine.run(name="healed").status == "SUCCEEDED"
    assert [pending(machine, name) for name in ("words", "lines")] == [0, 0]
    assert len(machine.pipeline.embeddings("lines")) == 2


@pytest.mark.usefixtures("short_of_a_fold")
def test_pasted_records_have_no_other_look_to_wait_for(machine: Interpreter) -> None:
    RECEIPT.upload(machine.pipeline.aws.s3, BUCKET)
    records = machine.pipeline.put(*RECEIPT.items(), RECEIPT.run())
    execution = machine.run({"Records": records})
    assert execution.states.count("FoldSnapshot") == 1
    assert pending(machine) == 0


def two_receipts(
    machine: Interpreter, monkeypatch: pytest.MonkeyPatch, *later: Mapping[str, Any]
) -> Execution:
    """Bring two, and what comes later, a message a round, and run."""
    monkeypatch.setattr(intake, "WORK_PER_ROUND", 1)
    machine.arrive()
    OTHER.upload(machine.pipeline.aws.s3, BUCKET)
    machine.pipeline.ingest(machine.pipeline.put(*OTHER.items(), OTHER.run()))
    if later:
        machine.pipeline.ingest(machine.pipeline.put(*later))
    return machine.run()


def pending(machine: Interpreter, collection: str = "words") -> int:
    """How many vectors a reader replays as it opens a collection."""
    store = SnapshotStore(Objects(machine.pipeline.aws.s3, BUCKET), collection)
    head = store.head()
    assert head is not None
    return store.manifest(head.version).facts.pending_vectors
