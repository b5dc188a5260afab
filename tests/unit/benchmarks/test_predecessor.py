"""The predecessor does the whole of its work, or the comparison would be with nothing."""

from pathlib import Path

import pytest

from benchmarks.endpoint import Endpoint
from benchmarks.predecessor import Predecessor
from benchmarks.source import normal_client, source_directory
from benchmarks.stage import Stage
from benchmarks.workload import COLLECTION, Workload
from instep.cdk.dependencies import tree_size
from instep.local.guard import EndpointNotLocal

WORKLOAD = Workload(1_000, width=8, updates=20)


@pytest.fixture
def predecessor(stage: Stage) -> Predecessor:
    return stage.predecessor(WORKLOAD)


def test_a_label_run_moves_the_whole_snapshot_both_ways_and_writes_every_edit(
    predecessor: Predecessor, cache: Path, tmp_path: Path
) -> None:
    size = tree_size(source_directory(WORKLOAD, cache))
    edits = WORKLOAD.edits("scattered", 0)
    run = predecessor.update_labels(edits)
    assert run.up >= size
    assert run.down >= size
    assert set(run.phases) == {"download", "apply", "hash", "upload"}
    predecessor.read(tmp_path / "copy", next(iter(edits)))
    client = normal_client(tmp_path / "copy")
    found = client.get_collection(COLLECTION, embedding_function=None).get(ids=list(edits))
    client.close()  # type: ignore[attr-defined]
    assert len(found["ids"]) == 20
    for word, fields in zip(found["ids"], found["metadatas"] or [], strict=True):
        assert len(fields) == 13
        assert edits[word].items() <= fields.items()


def test_every_merge_starts_from_the_same_snapshot(predecessor: Predecessor) -> None:
    before = predecessor.latest()
    runs = [predecessor.add_words(WORKLOAD.words(1_000, 50)) for _ in range(2)]
    assert predecessor.latest() == before
    assert abs(runs[0].down - runs[1].down) < 100


def test_a_collection_is_built_once_and_whole(cache: Path) -> None:
    built = source_directory(WORKLOAD, cache)
    inode = (built / "chroma.sqlite3").stat().st_ino
    assert source_directory(WORKLOAD, cache) == built
    assert (built / "chroma.sqlite3").stat().st_ino == inode
    assert [path.name for path in cache.iterdir() if path.name.startswith(WORKLOAD.key)] == [
        built.name
    ]


def test_a_benchmark_never_talks_to_an_account() -> None:
    with pytest.raises(EndpointNotLocal):
        Endpoint("https://s3.amazonaws.com")
