"""Folds: the same content, nothing left to replay, deleted content gone, and when one is due."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.chroma.hnsw.layout import HEADER, read_layout
from instep.chroma.sqlite_rows import SQLITE
from instep.errors import ConfigurationMissing
from instep.snapshot.acts import folding
from instep.snapshot.acts.fold import fold
from instep.snapshot.acts.folding import (
    CHAIN_LAYERS,
    PENDING_IN_BULK,
    PENDING_SHARE,
    PENDING_VECTORS,
    FoldDue,
    fold_due,
    is_heavy,
    needs_fold,
    needs_vacuum,
)
from instep.snapshot.copy.claim import MARK
from instep.snapshot.copy.reader import open_snapshot
from instep.snapshot.format.manifest import FileEntry, Layer, Manifest, PackRef
from instep.snapshot.format.pages import page_count
from tests.support.snapshots import (
    NAME,
    Act,
    World,
    adds,
    assert_searched,
    bytes_of,
    deletes,
    names,
    seen_through,
    updates,
    vector,
)
from tests.unit.snapshot.test_manifest import BASE, manifest


def folded(world: World) -> Manifest:
    world.fold()
    return world.manifest()


def assert_no_index(world: World, directory: str = "warm") -> None:
    """What a writer has in an index's place counts no element."""
    headers = (world.scratch / directory / "0" / "data").rglob(HEADER)
    assert not any(read_layout(header.parent).count for header in headers)


def adds_wide(ids: Sequence[str]) -> Act:
    """Add vectors of 1,500 floats: as in earnest, one fills a page, so few pages change."""
    random = Random(str(ids))  # noqa: S311 - test data
    vectors: Any = [[random.random() for _ in range(1500)] for _ in ids]
    return lambda collection: collection.add(ids=list(ids), embeddings=vectors)


def test_a_fold_changes_nothing_a_reader_sees(world: World) -> None:
    world.write(adds(names(120)))
    world.write(deletes(names(20)))
    world.write(updates(names(10, 50), colour="red"))
    before = world.seen()
    after = folded(world)
    assert world.seen() == before
    assert (after.facts.pending_vectors, after.facts.embeddings) == (0, 100)
    assert sum(name.endswith("index_metadata.pickle") for name in after.files) == 1
    with open_snapshot(world.store.objects, NAME) as snapshot:
        assert seen_through(snapshot.collection) == before
        assert_searched(snapshot.collection, before)


@pytest.mark.invariant(6)
def test_writing_goes_on_after_a_fold_without_the_index(world: World) -> None:
    world.write(adds(names(30)))
    index = {name: entry for name, entry in folded(world).files.items() if name != SQLITE}
    world.write(adds(names(5, 100)))
    world.write(deletes(names(5)))
    manifest = world.manifest()
    assert {name: entry for name, entry in manifest.files.items() if name != SQLITE} == index
    assert manifest.facts.pending_vectors == 10
    assert set(world.seen()) == {*names(25, 5), *names(5, 100)}
    assert_no_index(world)


def test_a_second_fold_ships_what_changed_of_the_index(world: World) -> None:
    world.write(adds_wide(names(300)))
    first = folded(world)
    world.write(adds_wide(names(3, 2000)))
    second = folded(world)
    data = next(name for name in second.files if name.endswith("data_level0.bin"))
    assert [len(each.files[data].layers) for each in (first, second)] == [1, 2]
    assert second.files[data].layers[1].bytes < first.files[data].layers[0].bytes / 3
    assert len(world.seen()) == 303
    assert second.facts.pending_vectors == 0


def test_deleted_text_is_gone_from_a_folded_database(world: World, tmp_path: Path) -> None:
    secrets = [f"s{at:05d}" for at in range(20)]
    world.write(adds(names(400)))
    world.write(adds(secrets, secret="s3cr3t-and-long-enough-to-find"))
    world.write(deletes(secrets))
    folded(world)
    world.store.materialise(str(world.version()), tmp_path / "copy")
    held = b"".join(bytes_of(tmp_path / "copy").values())
    assert b"s3cr3t" not in held
    assert set(world.seen()) == set(names(400))


def test_a_vector_that_chromadb_would_lose_is_written_anew(world: World) -> None:
    """chromadb 1.5.9 persists a replaced vector only if its point has a living neighbour."""
    world.write(adds(names(2)))
    folded(world)
    world.write(deletes(names(1, 1)))
    folded(world)
    new: Any = [vector("new")]
    world.write(lambda collection: collection.upsert(names(1), embeddings=new))
    before = world.seen()
    after = folded(world)
    assert world.seen() == before
    assert before["w00000"].vector == tuple(new[0])
    assert after.facts.pending_vectors == 0


def test_a_chain_of_label_updates_is_folded_without_the_index(world: World) -> None:
    world.write(adds(names(60)))
    index = {name: entry for name, entry in folded(world).files.items() if name != SQLITE}
    world.write(updates(names(60), colour="red"))
    before = world.seen()
    after = folded(world).files
    assert {name: entry for name, entry in after.items() if name != SQLITE} == index
    assert_no_index(world, "fold")
    assert world.seen() == before


@pytest.mark.parametrize("pending", [0, 3])
def test_no_fold_is_due_after_a_fold(
    world: World, monkeypatch: pytest.MonkeyPatch, pending: int
) -> None:
    """Also when it is the index whose chain was heavy, with vectors pending and without."""
    world.write(adds_wide(names(300)))
    folded(world)
    world.write(adds_wide(names(3, 2000)))
    folded(world)
    if pending:
        world.write(adds_wide(names(pending, 3000)))
    monkeypatch.setattr(folding, "CHAIN_LAYERS", 1)
    assert needs_fold(world.manifest())
    after = folded(world)
    assert not needs_fold(after)
    assert {len(entry.layers) for entry in after.files.values()} == {1}
    assert len(world.seen()) == 303 + pending


def test_an_empty_collection_folds(world: World) -> None:
    world.write(lambda _: None)
    assert folded(world).facts.embeddings == 0
    assert world.seen() == {}


def test_a_delete_in_a_collection_that_never_had_a_vector_waits_for_no_index(world: World) -> None:
    world.write(deletes(names(1)))
    assert world.manifest().facts.pending_vectors == 0
    assert folded(world).facts.pending_vectors == 0


def test_there_is_nothing_to_fold_before_a_version(world: World) -> None:
    with pytest.raises(ConfigurationMissing):
        fold(world.store, world.scratch / "fold", "folder", 1, None)


def test_a_fold_that_failed_leaves_a_writer_that_loads_no_index(world: World) -> None:
    world.write(adds(names(30)))
    folded(world)
    world.write(adds(names(1, 99)))
    fold(world.store, world.warm, "folder", 1, None)
    world.write(adds(names(1, 100)))
    assert_no_index(world)
    assert len(world.seen()) == 32


def chain(increments: int, weight: int = 1) -> FileEntry:
    step = Layer(BASE.version, BASE.size, BASE.digest, (PackRef("e" * 64, weight, 1),))
    return FileEntry((BASE, *[step] * increments))


def test_a_fold_has_the_room_that_a_killed_one_took(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(adds(names(3)))
    left = world.scratch / "fold" / "0" / "instep-scratch-fold-dead"
    left.mkdir(parents=True)
    (left.parent / MARK).touch()
    usage = shutil.disk_usage(world.scratch)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: usage._replace(free=0) if left.exists() else usage
    )
    world.fold()
    assert not left.exists()


def test_a_database_that_is_mostly_free_pages_is_folded(world: World) -> None:
    world.write(adds(names(400), note="x" * 2000))
    before = folded(world)
    world.write(deletes(names(250)))
    assert world.manifest().facts.pending_vectors < PENDING_VECTORS
    assert needs_fold(world.manifest())
    after = folded(world)
    assert not needs_fold(after)
    assert after.facts.free_pages == 0
    assert after.files[SQLITE].size < before.files[SQLITE].size / 2
    assert set(world.seen()) == set(names(150, 250))


def test_when_a_fold_is_due() -> None:
    facts = manifest().facts
    assert not needs_fold(manifest())
    assert not needs_fold(manifest(facts=replace(facts, pending_vectors=PENDING_VECTORS - 1)))
    assert needs_fold(manifest(facts=replace(facts, pending_vectors=PENDING_VECTORS)))
    assert needs_fold(manifest(files={SQLITE: chain(CHAIN_LAYERS)}))
    pages = page_count(manifest().files[SQLITE].size)
    assert not needs_fold(manifest(facts=replace(facts, free_pages=pages // 2)))
    assert needs_fold(manifest(facts=replace(facts, free_pages=pages // 2 + 1)))
    assert not is_heavy(chain(CHAIN_LAYERS - 1))
    assert is_heavy(chain(2, weight=700_000)), "two thirds of a megabyte, twice"
    assert not is_heavy(chain(1, weight=700_000))


def test_the_fold_of_a_bulk_waits_until_it_is_a_share_of_the_collection() -> None:
    many, few = 100_000, PENDING_VECTORS - 1

    def due(pending: int, before: int, **other: Any) -> FoldDue:
        facts = replace(manifest().facts, embeddings=many, pending_vectors=pending)
        return fold_due(manifest(facts=facts, **other), before)

    assert due(few, 0) is FoldDue.NO
    assert due(2 * PENDING_VECTORS, 2 * PENDING_VECTORS - 1) is FoldDue.DUE, "no bulk"
    assert due(5_000, 5_000 - few) is FoldDue.DUE, "no more of it"
    assert due(PENDING_VECTORS, 0) is FoldDue.AFTER
    share = int(PENDING_SHARE * many)
    assert due(share - 1, 0) is FoldDue.AFTER
    assert due(share, 0) is due(share, share - 1) is FoldDue.NOW
    many = PENDING_IN_BULK
    assert due(many - 1, 0) is FoldDue.AFTER, "of a small one all of it, for as long as it comes"
    assert due(many, 0) is FoldDue.NOW
    worn = {SQLITE: chain(CHAIN_LAYERS)}
    assert due(5_000, 0, files=worn) is FoldDue.NOW, "a chain is heavy, whatever is pending"


@given(st.lists(st.integers(PENDING_VECTORS, 20_000), min_size=1, max_size=200))
def test_the_folds_of_a_bulk_cost_what_it_is_large_and_not_its_square(brought: list[int]) -> None:
    """A fold costs as much as the collection is large: they come to so many collections in all."""
    embeddings = pending = folded = 0
    for new in brought:
        before, embeddings, pending = pending, embeddings + new, pending + new
        facts = replace(manifest().facts, embeddings=embeddings, pending_vectors=pending)
        if fold_due(manifest(facts=facts), before) is FoldDue.NOW:
            folded, pending = folded + embeddings, 0
        most = max(PENDING_IN_BULK, PENDING_SHARE * embeddings)
        assert pending < most, "what a reader replays"
    assert folded <= embeddings / PENDING_SHARE


def test_when_a_database_is_rewritten() -> None:
    half = replace(manifest().facts, free_pages=50)
    assert not needs_vacuum(half, pages=100, deletes=0)
    assert needs_vacuum(half, pages=99, deletes=0)
    assert needs_vacuum(manifest().facts, pages=100, deletes=1)
