"""An item of a Map may die at any AWS call, from AcquireLock to ReleaseLock and through the fold
that follows, before it is sent or after it was applied: readers see the collection as it was or as
it should be, and the change is there after the next run.
"""

from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from typing import Any

import pytest

from instep.snapshot.acts import folding
from tests.support.deaths import Moment, ProcessDied, dying
from tests.support.pipeline import Pipeline
from tests.support.receipts import Receipt

RECEIPT = Receipt("image-1")


def says(words: Mapping[str, Mapping[str, Any]]) -> tuple[int, Any]:
    """How many words there are, and what the first is said to be."""
    return len(words), words[RECEIPT.word_id(1)].get("valid_labels") or None


@pytest.mark.invariant(1)
@pytest.mark.invariant(2)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_death_at_any_call_leaves_the_head_whole_and_loses_nothing(
    pipeline: Pipeline, moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "CHAIN_LAYERS", 1)  # so that a fold is due after each run
    RECEIPT.upload(pipeline.aws.s3, "snapshots")
    pipeline.put(*RECEIPT.items())
    pipeline.ingest(pipeline.put(RECEIPT.run()))
    pipeline.run()
    died_at: list[str] = []
    for at in count():
        before = says(pipeline.embeddings("words"))
        after = (4, ",TOTAL," if before[1] is None else None)
        status = "VALID" if after[1] else "PENDING"
        pipeline.ingest(pipeline.put(RECEIPT.label(1, "TOTAL", status)))
        state = pipeline.parse("dies")
        (item,) = (one for one in state["collections"] if one["collection"] == "words")
        with dying(at, moment) as process, suppress(ProcessDied):
            done = pipeline.collection("dies", item)
            assert done["published"]["fold"]
            pipeline.fold("dies", {"collection": "words", "request": "fold/1"})
        if not process.dead:
            break
        died_at.append(process.calls[-1])
        assert says(pipeline.embeddings("words")) in (before, after), died_at
        pipeline.aws.outlast_visibility()
        assert pipeline.run(execution="dies").succeeded
        assert says(pipeline.embeddings("words")) == after, died_at
        assert pipeline.visible() == []
    assert died_at.count("PutObject") >= 6, "pack, manifest, HEAD, twice"
    assert {"UpdateItem", "GetItem", "GetObject", "Query"} <= set(died_at)
