"""More comes than a round takes, again and again: what is left over waits for its turn, and that is
all that happens to it.
"""

from typing import Any

import pytest

from instep.cdk.ingest import MAX_RECEIVES
from instep.errors import StorageUnavailable
from instep.lambda_ import intake
from tests.support.arrivals import RECEIPT, arrive, assert_green, queued
from tests.support.pipeline import Payload, Pipeline

LOOKS = 20


class Growing(Pipeline):
    """At each of twenty looks two messages come, of which a round takes one."""

    sent = looks = waiting = receives = 0

    def parse(self, execution: str, content: Any = None, state: Payload | None = None) -> Payload:
        if self.looks < LOOKS:
            self.edit()
            self.edit()
        self.looks += 1
        self.waiting = max(self.waiting, queued(self)[0])
        self.receives = max(self.receives, self.aws.most_received())
        return super().parse(execution, content, state)

    def edit(self) -> None:
        """Change a word's label: in turn each word's, to and fro."""
        turn, word = divmod(self.sent, RECEIPT.words)
        self.ingest(self.put(RECEIPT.label(word + 1, "TOTAL", ("INVALID", "VALID")[turn % 2])))
        self.sent += 1

    def assert_in_step(self) -> None:
        """All of it arrived: the last change of each word was to `VALID`."""
        assert queued(self) == (0, 0)
        assert self.rejected() == []
        words = self.embeddings("words")
        assert set(words) == {RECEIPT.word_id(number + 1) for number in range(RECEIPT.words)}
        for carried in words.values():
            assert (carried["valid_labels"], carried["invalid_labels"]) == (",TOTAL,", "")


@pytest.fixture
def growing(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Growing:
    arrive(pipeline)
    assert_green(pipeline.run())
    monkeypatch.setattr(intake, "WORK_PER_ROUND", 1)
    return Growing(pipeline.aws)


@pytest.mark.invariant(1)
def test_a_backlog_that_grows_is_gone_a_round_a_message_after_it_stops(growing: Growing) -> None:
    assert_green(growing.run())
    growing.assert_in_step()
    assert growing.waiting >= LOOKS
    assert growing.looks <= growing.sent + 2
    assert growing.receives < MAX_RECEIVES / 4


@pytest.mark.invariant(1)
def test_it_grows_beside_a_collection_that_fails(growing: Growing) -> None:
    growing.fail("apply_updates", StorageUnavailable("S3 is down"), collection="words", times=8)
    while queued(growing) != (0, 0) or not growing.looks:
        growing.run()
        growing.aws.outlast_visibility()
    growing.assert_in_step()
    assert growing.waiting >= LOOKS
    assert growing.receives < MAX_RECEIVES / 4
