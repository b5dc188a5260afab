"""An operator's process dies at any AWS call of sweep, rollback or import, before it is sent or
after it was applied: HEAD opens and verifies, and the same command again ends where it should.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from instep.chroma.foreign.whole import read_foreign
from instep.errors import ImportRejected, SnapshotConflict
from instep.snapshot.acts.importing import Request, import_snapshot
from instep.snapshot.acts.publish import publish
from instep.snapshot.acts.retention import Retention
from instep.snapshot.acts.rollback import rollback
from instep.snapshot.acts.sweep import Swept, sweep
from instep.snapshot.format.head import HeadName
from receipt_domain import DOMAIN
from tests.support.aws import BUCKET
from tests.support.deaths import Moment, ProcessDied, dying
from tests.support.faults import meanwhile
from tests.support.predecessor import upload, write_directory
from tests.support.snapshots import NAME, Seen, World, adds, deletes, names, updates

Found = dict[str, Seen] | None
NEWEST = Retention(1, timedelta(days=1))


def found(world: World) -> Found:
    """What a reader finds at HEAD, every page checked."""
    return None if world.version() is None else world.seen()


def die_everywhere(
    world: World,
    run: Callable[[], object],
    moment: Moment,
    rewind: Callable[[], None],
    expected: Callable[[Found], bool],
    healed: Callable[[], None],
) -> list[str]:
    """Let the run die at each of its calls, and run again; return the calls it died at."""
    died_at: list[str] = []
    for at in count():
        rewind()
        with dying(at, moment) as process, suppress(ProcessDied):
            run()
        if not process.dead:
            return died_at
        died_at.append(process.calls[-1])
        assert expected(found(world)), died_at
        run()
        healed()
    raise AssertionError


@pytest.mark.invariant(2)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_rollback(world: World, moment: Moment) -> None:
    old = world.write(adds(names(10))).version
    world.write(updates(names(3), colour="red"))
    objects = world.objects()
    now, then = world.seen(), world.seen(old)

    def rewind() -> None:
        world.store.objects.delete(world.objects().keys() - objects.keys())
        world.put(HeadName(NAME).key, objects[HeadName(NAME).key])

    def healed() -> None:
        assert found(world) == then

    died_at = die_everywhere(
        world,
        lambda: rollback(world.store, old, "operator"),
        moment,
        rewind,
        lambda seen: seen in (now, then),
        healed,
    )
    assert died_at.count("PutObject") >= 2, "a version file and HEAD"
    assert {"GetObject", "ListObjectsV2"} < set(died_at)


@pytest.mark.invariant(2)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_sweep(world: World, moment: Moment) -> None:
    for act in (adds(names(5)), adds(names(400, 100)), updates(names(1), colour="red")):
        world.write(act)
    objects, seen = world.objects(), world.seen()

    def rewind() -> None:
        for key, body in objects.items():
            world.put(key, body)
        world.aws.age_objects(timedelta(days=30))

    def run() -> Swept:
        return sweep(world.store, NEWEST)

    rewind()
    swept = run()
    assert (len(swept.versions), swept.packs > 0) == (2, True)
    left = set(world.objects())

    def healed() -> None:
        assert set(world.objects()) == left

    died_at = die_everywhere(world, run, moment, rewind, lambda found: found == seen, healed)
    assert died_at.count("DeleteObjects") == 2, "versions, then packs"
    assert found(world) == seen


@pytest.mark.invariant(2)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_import(world: World, moment: Moment, tmp_path: Path) -> None:
    upload(world.aws.s3, write_directory(tmp_path / "theirs", adds(names(10)), deletes(names(2))))
    request = Request(world.store.objects, "operator", read_foreign, DOMAIN.identify)

    def run() -> None:
        """As an operator who runs it again, and is told that it had been done."""
        try:
            import_snapshot(world.store, request, tmp_path)
        except ImportRejected as refused:
            assert "has a version already" in str(refused)  # noqa: PT017

    def rewind() -> None:
        world.aws.s3.delete_object(Bucket=BUCKET, Key=HeadName(NAME).key)

    run()
    held = found(world)
    assert held is not None
    assert set(held) == set(names(8, 2))

    def healed() -> None:
        assert found(world) == held

    died_at = die_everywhere(world, run, moment, rewind, lambda seen: seen in (None, held), healed)
    assert died_at.count("PutObject") >= 4, "packs, a version file, HEAD"


def test_a_rollback_wins_over_a_running_compaction_which_applies_again(world: World) -> None:
    old = world.write(adds(names(10))).version
    world.write(updates(names(10), colour="red"))
    lease = world.lease("compaction")
    staged = world.stage(updates(["w00001"], mine=1), token=lease.fencing_token)
    done = rollback(world.store, old, "operator")
    assert world.version() == done.version
    with pytest.raises(SnapshotConflict) as conflict:
        publish(world.store, staged, lease, world.leases)
    assert conflict.value.found == done.version
    again = world.stage(updates(["w00001"], mine=1), token=lease.fencing_token)
    publish(world.store, again, lease, world.leases)
    seen = world.seen()
    assert seen["w00001"].metadata["mine"] == 1
    assert not [id_ for id_, one in seen.items() if "colour" in one.metadata]
    assert world.manifest().parent == done.version


def test_a_publish_in_between_costs_a_rollback_one_more_try(world: World) -> None:
    old = world.write(adds(names(10))).version
    world.write(updates(names(10), colour="red"))
    rival: list[str] = []

    def publish_first() -> None:
        rival.append(world.write(updates(["w00001"], theirs=1)).version)

    with meanwhile(world.aws.s3, "PutObject", publish_first):
        done = rollback(world.store, old, "operator")
    assert done.replaced == rival[0]
    assert world.manifest().parent == rival[0]
    assert world.seen() == world.seen(old)
