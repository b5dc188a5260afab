"""How two versions differ, told from their databases; chromadb made both."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from instep.aws.objects import Objects
from instep.chroma.collection import apply
from instep.chroma.sqlite_contents import contents
from instep.chroma.sqlite_rows import SQLITE
from instep.difference import Changes, Update
from instep.errors import SnapshotCorrupt
from instep.snapshot.acts.comparing import Changed, What, read_both
from instep.snapshot.copy.at import manifest_at
from instep.snapshot.copy.pulled import pull
from tests.support.snapshots import (
    NAME,
    World,
    a_world,
    adds,
    deletes,
    names,
    seen_in,
    updates,
    vector,
)

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, list[str]]]:
    """Five versions: some words, changes of every kind, a vector alone, a fold, and one more."""
    with a_world(tmp_path_factory.mktemp("history")) as world:
        world.write(adds(["a", "é", "z", "𝄞", "gone", *names(5)], tags=["x", "y"], price=1))
        made = [str(world.version())]
        for act in (changed, written):
            world.write(act)
            made.append(str(world.version()))
        world.fold()
        made.append(str(world.version()))
        world.write(updates(["a"], price=7))
        made.append(str(world.version()))
        yield world, made


def changed(collection: "Collection") -> None:
    adds(["new"])(collection)
    deletes(["gone"])(collection)
    updates(["a"], price=2.5, tags=["x"], fresh=True)(collection)
    apply(collection, Changes({"é": Update({"place": None}, "another text")}))
    updates(["z"], price=1)(collection)  # as it was


def written(collection: "Collection") -> None:
    vectors: Any = [vector("z", seed=3)]
    collection.update(ids=["z"], embeddings=vectors)


def differing(world: World, before: str, after: str, folder: Path) -> list[Changed]:
    store = world.store
    both = read_both(store, manifest_at(store, before), manifest_at(store, after), folder)
    return list(both.changes())


def test_every_kind_of_change_is_told_and_nothing_else(
    history: tuple[World, list[str]], tmp_path: Path
) -> None:
    world, (first, second, *_) = history
    assert differing(world, first, second, tmp_path) == [
        Changed(
            "a",
            What.CHANGED,
            {"fresh": (None, True), "price": (1, 2.5), "tags": (["x", "y"], ["x"])},
        ),
        Changed("gone", What.REMOVED, {}),
        Changed("new", What.ADDED, {}),
        Changed(
            "é",
            What.CHANGED,
            {"chroma:document": ("text of é", "another text"), "place": ("é", None)},
        ),
    ]


def test_it_is_told_both_ways(history: tuple[World, list[str]], tmp_path: Path) -> None:
    world, (first, second, *_) = history
    there = differing(world, first, second, tmp_path / "there")
    back = differing(world, second, first, tmp_path / "back")
    other_way = {What.ADDED: What.REMOVED, What.REMOVED: What.ADDED, What.CHANGED: What.CHANGED}
    assert [(one.id, one.what) for one in back] == [(one.id, other_way[one.what]) for one in there]
    assert back[0].fields["price"] == (2.5, 1)


def test_a_vector_that_was_written_is_told(
    history: tuple[World, list[str]], tmp_path: Path
) -> None:
    world, (_, second, third, *_) = history
    assert differing(world, second, third, tmp_path) == [Changed("z", What.CHANGED, {}, True)]


def test_a_fold_changes_nothing_and_hides_what_vectors_were(
    history: tuple[World, list[str]], tmp_path: Path
) -> None:
    world, (_, second, third, fourth, fifth) = history
    assert differing(world, third, fourth, tmp_path / "fold") == []
    store = world.store
    over = read_both(
        store, manifest_at(store, second), manifest_at(store, fifth), tmp_path / "over"
    )
    assert over.folded
    assert [(one.id, one.fields) for one in over.changes()] == [("a", {"price": (2.5, 7)})]


def test_a_version_is_as_it_is(history: tuple[World, list[str]], tmp_path: Path) -> None:
    world, (first, *_) = history
    assert differing(world, first, first, tmp_path) == []


def test_what_is_read_is_what_chromadb_reads(
    history: tuple[World, list[str]], tmp_path: Path
) -> None:
    world, made = history
    for version in made:
        directory = tmp_path / version
        pull(world.store.objects, NAME, directory, at=version)
        found = dict(contents(directory / SQLITE))
        assert list(found) == sorted(found)
        assert found == {
            id_: {**seen.metadata, "chroma:document": seen.document}
            for id_, seen in seen_in(directory).items()
        }


def test_no_index_is_fetched_and_of_the_second_version_only_what_is_new(
    history: tuple[World, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, (*_, fourth, fifth) = history
    store = world.store
    before, after = manifest_at(store, fourth), manifest_at(store, fifth)
    asked: list[str] = []
    get: Callable[..., object] = Objects.get

    def counting(objects: Objects, key: str, limit: int | None = None) -> object:
        asked.append(key)
        return get(objects, key, limit)

    monkeypatch.setattr(Objects, "get", counting)
    read_both(store, before, after, tmp_path)
    packs = {
        pack.hash
        for file in (before, after)
        for one in file.files[SQLITE].layers
        for pack in one.packs
    }
    assert sorted(asked) == sorted(map(store.pack_key, packs))


@pytest.mark.invariant(8)
def test_a_damaged_pack_is_named(history: tuple[World, list[str]], tmp_path: Path) -> None:
    world, (first, second, *_) = history
    (pack, *_) = manifest_at(world.store, first).files[SQLITE].layers[0].packs
    key = world.store.pack_key(pack.hash)
    whole = world.store.objects.get(key).body
    world.put(key, b"damage")
    try:
        with pytest.raises(SnapshotCorrupt, match=pack.hash):
            differing(world, first, second, tmp_path)
    finally:
        world.put(key, whole)
