"""Whole or not at all, where a version has more than one object and a copy more than one file."""

import pytest

from instep.errors import StorageUnavailable
from instep.snapshot.copy.reader import open_snapshot
from tests.support.faults import refusing
from tests.support.snapshots import NAME, World, adds, names, seen_through
from tests.unit.snapshot.test_fold import folded


@pytest.mark.invariant(2)
def test_a_pack_that_was_not_stored_is_named_by_no_version(world: World) -> None:
    world.write(adds(names(3)))
    before = world.objects().keys()
    with (
        refusing(world.aws.s3, "PutObject", 503, since="/packs/"),
        pytest.raises(StorageUnavailable),
    ):
        world.stage(adds(names(3, 10)))
    assert world.objects().keys() == before


@pytest.mark.invariant(5)
def test_a_refresh_cut_off_at_the_last_file_leaves_every_file_of_the_copy(world: World) -> None:
    """S3 gives no pack from there on: what was put in place too early could not be put back."""
    world.write(adds(names(30)))
    folded(world)
    objects, directory = world.store.objects, world.fresh_directory()
    with open_snapshot(objects, NAME, directory=directory) as snapshot:
        version, before = snapshot.version, seen_through(snapshot.collection)
        parent = world.manifest().files
        world.write(adds(names(30, 100)))
        changed = sorted(name for name, file in folded(world).files.items() if file != parent[name])
        assert len(changed) > 1
        last = world.manifest().files[changed[-1]].layers[-1].packs[0].hash
        with (
            refusing(objects.client, "GetObject", 503, times=1000, since=last) as calls,
            pytest.raises(StorageUnavailable),
        ):
            snapshot.refresh()
        assert calls.met
        assert seen_through(snapshot.collection) == before
    with (
        refusing(objects.client, "GetObject", 503, times=1000, since="/packs/"),
        open_snapshot(objects, NAME, at=version, directory=directory) as snapshot,
    ):
        assert seen_through(snapshot.collection) == before
