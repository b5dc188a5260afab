"""Lock phase 2 under fire: the three answers, rivals at the last moment, tokens overtaken."""

from dataclasses import replace

import pytest

from instep.chroma.sqlite_rows import SQLITE
from instep.errors import LeaseLost, SnapshotConflict, StorageUnavailable
from instep.flow.lease import Lease
from instep.snapshot.acts.publish import Published, Staged, publish, publish_unleased
from tests.support.faults import meanwhile, refusing, silent
from tests.support.snapshots import World, adds, names, updates


def staged_by(world: World, owner: str = "a") -> tuple[Staged, Lease]:
    lease = world.lease(owner)
    root = world.scratch / owner
    return world.stage(updates(names(3), by=owner), root=root, token=lease.fencing_token), lease


def try_publish(world: World, staged: Staged, lease: Lease) -> Published:
    return publish(world.store, staged, lease, world.leases)


@pytest.fixture
def begun(world: World) -> World:
    world.write(adds(names(10)))
    return world


def test_a_409_is_tried_again_and_wins(begun: World) -> None:
    staged, lease = staged_by(begun)
    with refusing(begun.aws.s3, "PutObject", 409) as calls:
        assert try_publish(begun, staged, lease).version == staged.version
    assert calls.met == 1
    assert begun.version() == staged.version


@pytest.mark.invariant(3)
def test_a_412_is_a_conflict_that_names_who_was_first(begun: World) -> None:
    staged, lease = staged_by(begun)
    parent = begun.version()
    rival = begun.stage(updates(names(3), by="rival"), token=lease.fencing_token)
    overtake = meanwhile(begun.aws.s3, "PutObject", lambda: try_publish(begun, rival, lease))
    with overtake, pytest.raises(SnapshotConflict) as conflict:
        try_publish(begun, staged, lease)
    assert (conflict.value.expected, conflict.value.found) == (parent, rival.version)
    assert begun.version() == rival.version


def test_a_412_after_our_own_lost_answer_is_a_win(begun: World) -> None:
    staged, lease = staged_by(begun)
    with meanwhile(begun.aws.s3, "PutObject", lambda: try_publish(begun, staged, lease)):
        assert try_publish(begun, staged, lease).version == staged.version
    assert begun.version() == staged.version


def test_a_timeout_that_had_won_is_a_win(begun: World) -> None:
    staged, lease = staged_by(begun)
    with silent(begun.aws.s3, "PutObject", applied=True) as calls:
        assert try_publish(begun, staged, lease).version == staged.version
    assert calls.met == 1


def test_a_timeout_that_had_not_won_is_unknown_and_tried_again(begun: World) -> None:
    staged, lease = staged_by(begun)
    parent = begun.version()
    with silent(begun.aws.s3, "PutObject", applied=False), pytest.raises(StorageUnavailable):
        try_publish(begun, staged, lease)
    assert begun.version() == parent
    assert try_publish(begun, staged, lease).version == staged.version


def test_a_first_version_has_the_same_three_answers(world: World) -> None:
    lease = world.lease()
    staged = world.stage(adds(names(2)))
    with silent(world.aws.s3, "PutObject", applied=True):
        assert try_publish(world, staged, lease).version == staged.version
    other = world.stage(adds(names(2, 5)), root=world.fresh_directory())
    late = replace(other, witness=None, parent=None)
    with pytest.raises(SnapshotConflict):
        try_publish(world, late, lease)


def test_publishing_twice_is_publishing_once(begun: World) -> None:
    staged, lease = staged_by(begun)
    try_publish(begun, staged, lease)
    before = begun.objects()
    assert try_publish(begun, staged, lease).version == staged.version
    assert begun.objects() == before


def test_who_lost_the_lease_publishes_nothing(begun: World) -> None:
    staged, lease = staged_by(begun)
    begun.leases.release(lease)
    begun.lease("b")
    before = begun.objects()
    with pytest.raises(LeaseLost, match="b holds it"):
        try_publish(begun, staged, lease)
    assert begun.objects() == before


def test_a_younger_token_in_head_ends_it_though_the_table_was_edited_by_hand(begun: World) -> None:
    staged, lease = staged_by(begun)
    younger = replace(lease, fencing_token=lease.fencing_token + 5)

    class Blind:
        def confirm(self, lease: Lease) -> None:
            """The table agrees to anything."""

    rival, _ = staged_by(begun, "a")
    publish(begun.store, replace(rival, fencing_token=younger.fencing_token), younger, Blind())
    with pytest.raises(LeaseLost, match="HEAD carries token"):
        publish(begun.store, staged, lease, Blind())


@pytest.mark.domain("wrong-lock")
@pytest.mark.invariant(3)
def test_the_predecessors_loss_cannot_happen(begun: World) -> None:
    """A confirms and pauses, its lease expires, B reads, publishes; A goes on, then B again."""
    staged, lease = staged_by(begun, "a")

    def rival() -> None:
        begun.leases.release(lease)
        other, held = staged_by(begun, "b")
        try_publish(begun, other, held)

    with meanwhile(begun.aws.s3, "PutObject", rival), pytest.raises(SnapshotConflict):
        try_publish(begun, staged, lease)
    again, lease = staged_by(begun, "b")
    try_publish(begun, again, lease)
    assert {one.metadata.get("by") for id_, one in begun.seen().items() if id_ < "w00003"} == {"b"}


def test_nothing_staged_is_nothing_to_publish(begun: World) -> None:
    lease = begun.lease()
    staged = begun.stage(lambda _: None)
    assert try_publish(begun, staged, lease).version == begun.version()
    lost = replace(staged, version=None)
    with pytest.raises(ValueError, match="nothing was staged"):
        try_publish(begun, lost, lease)


def test_a_loser_applies_again_on_the_new_head_and_stays_warm(begun: World) -> None:
    root = begun.scratch / "loser"
    lease = begun.lease()
    staged = begun.stage(updates(["w00001"], mine=1), root=root)
    publish_unleased(begun.store, begun.stage(updates(["w00002"], theirs=1)))
    with pytest.raises(SnapshotConflict):
        try_publish(begun, staged, lease)
    again = begun.stage(updates(["w00001"], mine=1), root=root)
    try_publish(begun, again, lease)
    seen = begun.seen()
    assert (seen["w00001"].metadata["mine"], seen["w00002"].metadata["theirs"]) == (1, 1)
    assert len(begun.manifest().files[SQLITE].layers) == 3
