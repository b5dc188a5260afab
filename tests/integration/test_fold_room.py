"""A fold too large for its function is not tried in every round; it waits for a larger one."""

import json

import pytest

from instep.aws.objects import Objects
from instep.snapshot.acts import folding
from instep.snapshot.copy.store import SnapshotStore
from tests.support.arrivals import RECEIPT, arrive, assert_green
from tests.support.aws import BUCKET
from tests.support.pipeline import FunctionFailed, Pipeline


def folded(pipeline: Pipeline) -> bool:
    store = SnapshotStore(Objects(pipeline.aws.s3, BUCKET), "words")
    head = store.head()
    assert head is not None
    return store.manifest(head.version).facts.pending_vectors == 0


@pytest.fixture(autouse=True)
def due_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "PENDING_VECTORS", 1)


def counted(captured: str, name: str) -> float:
    lines = (json.loads(line) for line in captured.splitlines() if name in line)
    return sum(sum(line[name]) for line in lines)


def test_a_round_leaves_a_fold_that_would_die_and_the_next_deployment_makes_it(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FOLD_MEMORY_MB", "128")
    arrive(pipeline)
    assert_green(pipeline.run())
    assert "fold_snapshot" not in {name for name, _ in pipeline.calls}
    assert counted(capsys.readouterr().out, "CompactionFoldTooLarge") == 2, "both collections"
    assert not folded(pipeline)

    monkeypatch.setenv("FOLD_MEMORY_MB", "1769")
    pipeline.ingest(pipeline.put(RECEIPT.label(2, "TOTAL", "VALID")))
    assert_green(pipeline.run())
    assert folded(pipeline)


def test_the_fold_itself_refuses_by_its_own_estimate_and_says_what_to_set(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head may have grown since a publish found a fold due."""
    arrive(pipeline)
    state = pipeline.parse("run")
    items = [pipeline.collection("run", item) for item in state["collections"]]
    pipeline.settle("run", state, items)
    monkeypatch.setenv("FOLD_STORAGE_MB", "0")
    with pytest.raises(FunctionFailed, match=r"FoldTooLarge: words.* larger foldMemory or foldSt"):
        pipeline.invoke(
            "fold_snapshot",
            {
                "collection": "words",
                "execution": "run",
                "lease": pipeline.invoke(
                    "acquire_lock",
                    {"collection": "words", "execution": "run", "request": "fold/1"},
                ),
            },
        )
    assert not folded(pipeline)
