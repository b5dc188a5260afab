"""A fold is for readers: whatever becomes of it, its batch is applied, and it comes due again."""

import pytest

from instep.errors import SnapshotConflict, StorageUnavailable
from instep.objects import Objects
from instep.snapshot.store import SnapshotStore
from tests.support.aws import BUCKET
from tests.support.edges import Edge
from tests.support.interpreter import RECEIPT, Interpreter


@pytest.mark.invariant(1)
@pytest.mark.usefixtures("short_of_a_fold")
@pytest.mark.parametrize(
    ("error", "after"),
    [
        ("Runtime.ExitError", True),
        ("States.Timeout", False),
        (StorageUnavailable.__name__, False),
        (SnapshotConflict.__name__, False),
    ],
)
def test_whatever_becomes_of_a_fold_its_batch_is_applied_once(
    machine: Interpreter, error: str, after: bool
) -> None:
    machine.arrive()
    machine.pipeline.fail("fold_snapshot", error, times=20, after=after)
    execution = machine.run()
    assert execution.status == "SUCCEEDED", execution.cause
    assert machine.clause("FoldSnapshot", "Catch", "States.ALL") in execution.edges
    assert (execution.output["failures"], execution.output["deferred"]) == (0, 0)
    assert execution.states.count("ApplyUpdates") == 2, "once a collection"
    assert machine.pipeline.visible() == []
    machine.settled()


@pytest.mark.usefixtures("short_of_a_fold")
def test_a_fold_that_came_to_nothing_comes_due_again(machine: Interpreter) -> None:
    machine.arrive()
    machine.pipeline.fail("fold_snapshot", "Runtime.ExitError")
    machine.run(name="first")
    assert pending(machine) == 4
    machine.pipeline.ingest(machine.pipeline.put(RECEIPT.label(1, "TOTAL", "VALID")))
    second = machine.run(name="second")
    assert Edge("NeedsFold?", "Choice", "FoldSnapshot") in second.edges
    assert pending(machine) == 0
    machine.pipeline.ingest(machine.pipeline.put(RECEIPT.label(2, "TOTAL", "VALID")))
    third = machine.run(name="third")
    assert Edge("NeedsFold?", "Choice", "Applied") in third.edges
    machine.settled()


def pending(machine: Interpreter) -> int:
    """How many vectors a reader of the words replays as it opens them."""
    store = SnapshotStore(Objects(machine.pipeline.aws.s3, BUCKET), "words")
    head = store.head()
    assert head is not None
    return store.manifest(head.version).facts.pending_vectors
