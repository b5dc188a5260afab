"""A whole table on moto's interpreter: segments side by side, room that is waited for, and an end
that says why.
"""

import pytest

from instep.errors import StorageUnavailable
from instep.flow import sync
from tests.support.edges import Edge
from tests.support.interpreter import RECEIPT, Interpreter
from tests.support.ways import RUNNER


def was_there_before(machine: Interpreter) -> None:
    """The receipt lies in the table with its deltas, and nobody was told."""
    machine.arrive()
    machine.pipeline.aws.sqs.purge_queue(QueueUrl=machine.pipeline.aws.inbox_url)


@pytest.mark.invariant(4)
def test_segments_side_by_side_take_the_table_in(machine: Interpreter) -> None:
    was_there_before(machine)
    execution = machine.run({"Sync": {"segments": 3}})
    assert execution.status == "SUCCEEDED", execution.cause
    assert execution.states.count("SyncTable") == 3, "each segment; a new store has no ids yet"
    through = [item["segment"] for item in execution.output["sync"]["segments"]]
    assert sum(one["seen"] for one in through) == len(RECEIPT.items()) + 2
    assert machine.pipeline.embeddings("words") == {}, "the runner that it announced applies it"
    machine.settled()


def test_a_full_inbox_is_waited_for(machine: Interpreter, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.arrive()
    monkeypatch.setattr(sync, "FULL", 0)
    execution = machine.run({"Sync": {"segments": 1}})
    assert execution.status == "SUCCEEDED", execution.cause
    assert Edge(RUNNER, "MorePieces?", "Choice", "WaitForRoom") in execution.edges
    assert Edge(RUNNER, "MorePieces?", "Choice", "SegmentSynced") in execution.edges
    assert len(machine.pipeline.embeddings("words")) == RECEIPT.words, "live changes went on"
    machine.settled()


def test_a_piece_that_fails_for_good_ends_it_red_and_it_may_be_begun_again(
    machine: Interpreter,
) -> None:
    was_there_before(machine)
    machine.fail(RUNNER, "SyncTable", StorageUnavailable.__name__, times=6)
    failed = machine.run({"Sync": {"segments": 1}}, name="fails")
    assert (failed.status, failed.error) == ("FAILED", StorageUnavailable.__name__)
    assert failed.cause
    machine.followed()
    again = machine.run({"Sync": {"segments": 1}}, name="again")
    assert again.status == "SUCCEEDED", again.cause
    machine.settled()
