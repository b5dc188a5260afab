"""The reader's side: the head or a version, refreshed by what is new, whole or not at all."""

import os
from pathlib import Path
from threading import Thread

import pytest

import instep
from instep.chroma.collection import read
from instep.chroma.sqlite_rows import SQLITE
from instep.errors import ConfigurationMissing, SnapshotCorrupt, StorageUnavailable, VersionRejected
from instep.snapshot.copy.pulled import pull
from instep.snapshot.copy.reader import open_snapshot
from tests.support.faults import refusing
from tests.support.snapshots import (
    NAME,
    World,
    adds,
    bytes_of,
    deletes,
    names,
    pulled_bytes,
    seen_in,
    seen_through,
    updates,
    vector,
)


def test_the_head_by_its_bucket_and_a_query(world: World) -> None:
    world.write(adds(names(20)))
    with instep.open_snapshot("s3://snapshots", NAME) as snapshot:
        assert snapshot.version == world.version()
        nearest = snapshot.collection.query(
            query_embeddings=[vector("w00007")],  # type: ignore[arg-type]
            n_results=1,
            where={"place": "w00007"},
        )
        assert nearest["ids"] == [["w00007"]]


def test_a_version_stays_what_it_was(world: World) -> None:
    first = world.write(adds(names(20))).version
    world.write(deletes(names(15)))
    with open_snapshot(world.store.objects, NAME, at=first) as snapshot:
        assert snapshot.collection.count() == 20
        assert snapshot.refresh() is False
        assert snapshot.version == first
    assert len(world.seen()) == 5
    assert len(world.seen(at=first)) == 20


def test_a_refresh_fetches_what_is_new(world: World) -> None:
    world.write(adds(names(300)))
    objects = world.store.objects
    with open_snapshot(objects, NAME, directory=world.fresh_directory()) as snapshot:
        assert snapshot.refresh() is False
        world.write(updates(names(2), colour="red"))
        before = objects.traffic.down
        assert snapshot.refresh() is True
        assert objects.traffic.down - before < 10_000
        assert snapshot.version == world.version()
        assert read(snapshot.collection, ids=["w00001"])["w00001"].metadata["colour"] == "red"
        assert seen_through(snapshot.collection) == world.seen()


def test_the_copy_of_a_reader_is_byte_for_byte_the_version(world: World, tmp_path: Path) -> None:
    world.write(adds(names(30)))
    directory = world.fresh_directory()
    with open_snapshot(world.store.objects, NAME, directory=directory) as snapshot:
        snapshot.collection.query(query_embeddings=[vector("a")], n_results=3)  # type: ignore[arg-type]
    copy = bytes_of(directory / NAME / "0" / "data")
    pull(world.store.objects, NAME, tmp_path / "pulled")
    plain = pulled_bytes(tmp_path / "pulled")
    assert set(copy) == set(plain) == {SQLITE}
    assert copy[SQLITE][:18] + b"\1\1" + copy[SQLITE][20:] == plain[SQLITE]


def test_the_next_open_of_a_directory_fetches_nothing_it_has(world: World) -> None:
    world.write(adds(names(300)))
    directory = world.fresh_directory()
    for packs in (1, 0):
        objects = world.store.objects
        with open_snapshot(objects, NAME, directory=directory) as snapshot:
            assert snapshot.collection.count() == 300
        assert objects.traffic.requests == 2 + packs


def test_readers_of_one_directory_at_once(world: World) -> None:
    world.write(adds(names(50)))
    directory = world.fresh_directory()
    seen: list[int] = []

    def reader() -> None:
        with open_snapshot(world.store.objects, NAME, directory=directory) as snapshot:
            seen.append(len(seen_through(snapshot.collection)))

    threads = [Thread(target=reader) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [50] * 4
    with open_snapshot(world.store.objects, NAME, directory=directory):
        assert [path.name for path in (directory / NAME).iterdir()] == ["0"]


@pytest.mark.invariant(5)
def test_a_refresh_that_is_cut_off_leaves_the_version_that_was_open(world: World) -> None:
    world.write(adds(names(50)))
    objects = world.store.objects
    with open_snapshot(objects, NAME, directory=world.fresh_directory()) as snapshot:
        version = snapshot.version
        world.write(updates(names(50), colour="red"))
        with (
            refusing(objects.client, "GetObject", 503, times=3) as calls,
            pytest.raises(StorageUnavailable),
        ):
            snapshot.refresh()
        assert calls.met
        assert snapshot.version == version
        pack = world.manifest().files[SQLITE].layers[-1].packs[0].hash
        body = world.objects()[world.store.pack_key(pack)]
        world.put(world.store.pack_key(pack), body[:-1])
        with pytest.raises(SnapshotCorrupt, match=pack):
            snapshot.refresh()
        assert snapshot.version == version
        assert all(
            "colour" not in one.metadata for one in seen_through(snapshot.collection).values()
        )
        world.put(world.store.pack_key(pack), body)
        assert snapshot.refresh() is True
        assert all("colour" in one.metadata for one in seen_through(snapshot.collection).values())


def test_a_long_fetch_says_how_far_it_is(world: World) -> None:
    world.write(adds(names(20)))
    world.write(updates(names(2), colour="red"))
    layers = world.manifest().files[SQLITE].layers
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        told.append((done, total))

    total = sum(layer.bytes for layer in layers)
    directory = world.fresh_directory()
    with open_snapshot(world.store.objects, NAME, directory=directory, progress=tell) as snapshot:
        assert told == [(layers[0].bytes, total), (total, total)]
        world.write(updates(names(2), colour="blue"))
        assert snapshot.refresh(tell)
        new = world.manifest().files[SQLITE].layers[-1].bytes
        assert told[2:] == [(new, new)]


def test_a_reader_whose_head_is_lost_is_told_and_reads_on(world: World) -> None:
    world.write(adds(names(20)))
    world.write(updates(names(2), colour="red"))
    with open_snapshot(world.store.objects, NAME, directory=world.fresh_directory()) as snapshot:
        world.store.objects.delete([world.store.head_key])
        with pytest.raises(SnapshotCorrupt, match="HEAD is missing"):
            snapshot.refresh()
        assert snapshot.collection.count() == 20


def test_no_version_and_no_such_version(world: World) -> None:
    with pytest.raises(ConfigurationMissing, match=r"no version yet.*s3://snapshots/words/HEAD"):
        open_snapshot(world.store.objects, NAME)
    world.write(adds(names(1)))
    for at in ("20200101T000000.000000Z-00000000", "../HEAD"):
        with pytest.raises(VersionRejected, match="instep history words"):
            open_snapshot(world.store.objects, NAME, at=at)


@pytest.mark.invariant(5)
def test_pulling_appears_whole_or_not_at_all(world: World, tmp_path: Path) -> None:
    world.write(adds(names(20)))
    target = tmp_path / "target"
    pack = world.store.pack_key(world.manifest().files[SQLITE].layers[0].packs[0].hash)
    body = world.objects()[pack]
    world.put(pack, body[:-5])
    with pytest.raises(SnapshotCorrupt):
        pull(world.store.objects, NAME, target)
    assert not target.exists()
    world.put(pack, body)
    told: list[tuple[int, int]] = []
    assert (
        pull(
            world.store.objects,
            NAME,
            target,
            progress=lambda done, total: told.append((done, total)),
        )
        == world.version()
    )
    assert told == [(len(body), len(body))]
    assert len(seen_in(target)) == 20
    with pytest.raises(FileExistsError, match="name a new directory"):
        pull(world.store.objects, NAME, target)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_copy_that_somebody_touched_is_not_trusted(world: World) -> None:
    world.write(adds(names(40)))
    directory = world.fresh_directory()
    with open_snapshot(world.store.objects, NAME, directory=directory):
        pass
    main = directory / NAME / "0" / "data" / SQLITE
    with main.open("r+b") as file:
        file.seek(-3000, os.SEEK_END)
        file.write(b"damage")
    with open_snapshot(world.store.objects, NAME, directory=directory) as snapshot:
        assert seen_through(snapshot.collection) == world.seen()


def test_a_reader_whose_version_was_swept_refreshes(world: World) -> None:
    first = world.write(adds(names(2))).version
    with open_snapshot(world.store.objects, NAME) as snapshot:
        world.write(updates(names(1), colour="red"))
        world.store.objects.delete([world.store.manifest_key(first)])
        assert snapshot.refresh()
        assert seen_through(snapshot.collection)["w00000"].metadata["colour"] == "red"
