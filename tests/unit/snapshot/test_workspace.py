"""The writer's side: stage what changed, publish it, stay warm, and heal."""

import errno
import json
import os
from pathlib import Path

import pytest

from instep.chroma.collection import persist_after
from instep.chroma.sqlite_rows import SQLITE
from instep.errors import ConfigurationMissing, SnapshotUnsupported, StorageUnavailable
from instep.snapshot.acts.publish import Staged
from instep.snapshot.acts.workspace import open_workspace
from tests.support.snapshots import NAME, World, adds, deletes, names, queued, updates


def state_of(root: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((root / "0" / "state.json").read_text())
    return content


@pytest.mark.invariant(6)
def test_a_first_version_and_increments_on_it(world: World) -> None:
    world.write(adds(names(50)))
    world.write(updates(names(3), colour="red"))
    world.write(deletes(names(2)))
    manifest = world.manifest()
    layers = manifest.files[SQLITE].layers
    assert len(layers) == 3
    assert layers[1].bytes < layers[0].bytes / 5
    assert (manifest.facts.embeddings, manifest.fencing_token) == (48, 3)
    seen = world.seen()
    assert set(seen) == set(names(48, 2))
    assert seen["w00002"].metadata == {"place": "w00002", "colour": "red"}


def test_an_empty_collection_is_created_and_can_be_published(world: World) -> None:
    assert world.write(lambda _: None).version == world.version()
    assert world.seen() == {}


@pytest.mark.invariant(6)
def test_reading_alone_stages_nothing_and_sends_nothing(world: World) -> None:
    world.write(adds(names(5)))
    before = world.objects()
    staged = world.stage(lambda collection: collection.get(ids=["w00001"]))
    assert (staged.changed, staged.version) == (False, world.version())
    assert world.objects() == before
    assert world.write(updates(["w00001"], n=1)).version == world.version()


def test_a_warm_writer_fetches_head_and_manifest_only(world: World) -> None:
    world.write(adds(names(300)))
    world.write(updates(names(1), n=1))
    store = world.store
    with open_workspace(store, world.warm):
        pass
    assert store.objects.traffic.requests == 2
    assert state_of(world.warm)["version"] == world.version()


def test_a_writer_behind_fetches_what_it_lacks(world: World) -> None:
    world.write(adds(names(300)))
    elsewhere = world.fresh_directory()
    for number in range(3):
        world.write(updates([f"w{number:05d}"], n=number), root=elsewhere)
    layers = world.manifest().files[SQLITE].layers
    store = world.store
    with open_workspace(store, world.warm) as workspace:
        got = workspace.client.get_collection("words", embedding_function=None).get(ids=names(3))
    assert [row["n"] for row in got["metadatas"] or []] == [0, 1, 2]
    assert store.objects.traffic.requests == 2 + 3
    assert store.objects.traffic.down < layers[0].bytes


@pytest.mark.parametrize("lost", [False, True])
def test_after_a_restart_of_the_machine_a_file_has_to_prove_what_it_is(
    world: World, *, lost: bool
) -> None:
    world.write(adds(names(300)))
    world.write(updates(names(1), n=1))
    main = world.warm / "0" / "data" / SQLITE
    with open_workspace(world.store, world.warm):  # the WAL is in the file now
        pass
    (world.warm / "0" / "state.json").write_text(
        json.dumps({**state_of(world.warm), "boot": "an earlier one"})
    )
    if lost:  # a page that never arrived, under the times and sizes that did
        times = main.stat()
        with main.open("r+b") as file:
            file.seek(5 * 4096)
            file.write(bytes(4096))
        os.utime(main, ns=(times.st_atime_ns, times.st_mtime_ns))
    store = world.store
    with open_workspace(store, world.warm) as workspace:
        found = workspace.client.get_collection(NAME, embedding_function=None).get(names(1))
    assert (store.objects.traffic.requests > 2) is lost
    assert found["metadatas"] == [{"place": "w00000", "n": 1}]


def test_what_was_staged_and_not_published_is_gone(world: World) -> None:
    world.write(adds(names(5)))
    version = world.version()
    staged = world.stage(updates(names(5), colour="red"))
    assert staged.changed
    assert world.version() == version
    assert world.stage(lambda _: None).changed is False
    assert "colour" not in world.seen()["w00001"].metadata


def test_what_a_workspace_never_staged_is_gone(world: World) -> None:
    world.write(adds(names(5)))
    with open_workspace(world.store, world.warm) as workspace:
        workspace.client.get_collection("words", embedding_function=None).delete(ids=names(5))
    assert world.stage(lambda _: None).changed is False


def test_a_workspace_is_staged_once(world: World) -> None:
    with open_workspace(world.store, world.warm) as workspace:
        workspace.stage("test", 1, None, {})
        with pytest.raises(ValueError, match="staged once"):
            workspace.stage("test", 1, None, {})


def test_a_workspace_that_may_not_create(world: World) -> None:
    with (
        pytest.raises(ConfigurationMissing, match="no version yet"),
        open_workspace(world.store, world.warm, create=False),
    ):
        pass


def test_a_configuration_that_loses_its_threshold_is_never_staged(world: World) -> None:
    world.write(adds(names(5)))
    before = world.objects()
    with pytest.raises(SnapshotUnsupported, match="sync_threshold is 9"):
        world.stage(lambda collection: persist_after(collection, 9))
    assert world.objects() == before
    assert world.stage(updates(names(1), n=1)).changed


@pytest.mark.parametrize("call", ["rmdir", "scandir"])
def test_what_could_not_be_removed_is_in_nobodys_way(
    world: World, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    world.write(adds(names(3)))
    world.write(updates(names(3), n=1))

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fails)
        with pytest.raises(StorageUnavailable, match="disk failed"):
            world.write(updates(names(3), n=2))
    world.write(updates(names(3), n=3))
    assert {one.metadata["n"] for one in world.seen().values()} == {3}


def test_two_writers_of_one_root_get_a_directory_each(world: World) -> None:
    world.write(adds(names(5)))
    with (
        open_workspace(world.store, world.warm) as one,
        open_workspace(world.store, world.warm) as two,
    ):
        held = [each.client.get_collection("words", embedding_function=None) for each in (one, two)]
        held[0].delete(ids=names(5))
        assert [collection.count() for collection in held] == [0, 5]
    assert sorted(path.name for path in world.warm.iterdir()) == ["0", "1"]
    world.stage(lambda _: None)
    assert [path.name for path in world.warm.iterdir()] == ["0"]


def test_queue_and_opens_do_not_grow_with_label_edits(world: World) -> None:
    world.write(adds(names(20)))
    for number in range(5):
        world.write(updates(names(20), n=number))
    assert world.manifest().facts.pending_vectors == 20
    with open_workspace(world.store, world.warm) as workspace:
        workspace.client.heartbeat()
    assert queued(world.warm / "0" / "data" / SQLITE) == 21


def test_note_writer_and_watermark_are_kept(world: World) -> None:
    with open_workspace(world.store, world.warm) as workspace:
        staged = workspace.stage("execution-7", 5, "2026-01-01T00:00:00+00:00", {"labels": 3})
    manifest = world.store.manifest(str(staged.version))
    assert (manifest.writer, manifest.watermark) == ("execution-7", "2026-01-01T00:00:00+00:00")
    assert manifest.note == {"labels": 3}
    assert Staged.from_payload(json.loads(json.dumps(staged.to_payload()))) == staged
