"""S3 refuses or does not answer a write of a stage or a fold: nothing is visible, the error is a
named one that a retry cures, and the retry makes the version that was meant.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import count
from typing import Any, TypeAlias

import pytest

from instep.errors import StorageUnavailable
from instep.snapshot.acts.fold import fold
from instep.snapshot.acts.publish import Staged, publish
from tests.support.faults import Calls, refusing, silent
from tests.support.snapshots import World, adds, names, updates

Fault: TypeAlias = Callable[[Any, int], AbstractContextManager[Calls]]
Work: TypeAlias = Callable[[World, int], Staged]


def stage(world: World, number: int) -> Staged:
    return world.stage(updates(names(3), n=number))


def stage_a_fold(world: World, _number: int) -> Staged:
    return fold(world.store, world.scratch / "fold", "folder", 1)


def throttled(client: Any, at: int) -> AbstractContextManager[Calls]:
    return refusing(client, "PutObject", 503, skip=at)


def contended(client: Any, at: int) -> AbstractContextManager[Calls]:
    return refusing(client, "PutObject", 409, skip=at)


def lost(client: Any, at: int) -> AbstractContextManager[Calls]:
    return silent(client, "PutObject", applied=False, skip=at)


def lost_though_written(client: Any, at: int) -> AbstractContextManager[Calls]:
    return silent(client, "PutObject", applied=True, skip=at)


@pytest.fixture
def begun(world: World) -> World:
    world.write(adds(names(10)))
    return world


@pytest.mark.invariant(2)
@pytest.mark.parametrize("fault", [throttled, lost, lost_though_written])
@pytest.mark.parametrize("work", [stage, stage_a_fold])
def test_a_write_without_an_answer_is_tried_again_and_nothing_was_visible(
    begun: World, work: Work, fault: Fault
) -> None:
    before = begun.version()
    for at in count():
        with fault(begun.aws.s3, at) as calls:
            try:
                work(begun, at)
            except StorageUnavailable:
                assert calls.met == 1
            else:
                assert calls.met == 0
                break
        assert begun.version() == before
    assert at >= 2, "a pack and a manifest"
    publish_and_look(begun, work)


@pytest.mark.parametrize("work", [stage, stage_a_fold])
def test_a_409_is_the_same_write_again_and_no_error(begun: World, work: Work) -> None:
    for at in count():
        with contended(begun.aws.s3, at) as calls:
            work(begun, at)
        if not calls.met:
            break
    assert at >= 2
    publish_and_look(begun, work)


def publish_and_look(world: World, work: Work) -> None:
    lease = world.lease()
    publish(world.store, work(world, 99), lease, world.leases)
    seen = world.seen()
    assert set(seen) == set(names(10))
    if work is stage:
        assert seen["w00001"].metadata["n"] == 99
    else:
        assert world.manifest().facts.pending_vectors == 0
