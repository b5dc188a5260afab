"""Whoever acts beside a sweep, at whatever call of it: HEAD is whole, and one of two gives way."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count, product

import pytest

from instep.errors import VersionRejected
from instep.snapshot.acts.publish import publish_unleased
from instep.snapshot.acts.rollback import RolledBack, rollback
from instep.snapshot.acts.sweep import Swept, sweep
from instep.snapshot.acts.tagging import tag
from instep.snapshot.copy.inventory import missing_packs
from instep.snapshot.copy.tags import Tag, read_tags
from tests.support.memory import DAY, NEWEST_ONLY, Bucket, stage_pack
from tests.support.turns import Turns


def after_a_month(*folds: bool) -> Bucket:
    """Return a bucket with a version for each of `folds`, all old enough to be swept."""
    bucket = Bucket()
    for fold in folds:
        bucket.publish(fold=fold)
    bucket.time.passes(30 * DAY)
    return bucket


def interrupted(bucket: Bucket, at: int, act: Callable[[], object]) -> list[str]:
    """Let `act` happen once, before call number `at` of what follows; return the calls so far."""
    calls: list[str] = []

    def before(name: str) -> None:
        calls.append(name)
        if len(calls) == at + 1:
            bucket.objects.before = lambda _: None
            act()
            bucket.objects.before = before

    bucket.objects.before = before
    return calls


@pytest.mark.invariant(2)
def test_a_rollback_at_every_call_of_a_sweep() -> None:
    """To the oldest version, which the sweep lets go: one of the two gives way."""
    outcomes = set()
    for at in count():
        bucket = after_a_month(False, True, True)

        def act(bucket: Bucket = bucket) -> None:
            try:
                rollback(bucket.store, bucket.published[0], "operator")
                outcomes.add("rolled back")
            except VersionRejected:
                outcomes.add("swept")
            bucket.time.passes(30 * DAY)

        calls = interrupted(bucket, at, act)
        bucket.sweep()
        bucket.head_is_whole()
        bucket.objects.before = lambda _: None
        bucket.sweep()
        bucket.head_is_whole()
        if len(calls) <= at:
            break
    assert outcomes == {"rolled back", "swept"}
    assert at > 6


@pytest.mark.invariant(2)
def test_a_tag_at_every_call_of_a_sweep() -> None:
    """Of the oldest version, which the sweep lets go: it is whole under its tag, or has none."""
    outcomes = set()
    for at in count():
        bucket = after_a_month(False, True, True)

        def act(bucket: Bucket = bucket) -> None:
            with suppress(VersionRejected):
                tag(bucket.store, bucket.published[0], "kept", "operator")

        calls = interrupted(bucket, at, act)
        bucket.sweep()
        bucket.objects.before = lambda _: None
        bucket.time.passes(30 * DAY)
        bucket.sweep()
        bucket.head_is_whole()
        tags = read_tags(bucket.store)
        outcomes.add(len(tags))
        for one in tags:
            assert missing_packs(bucket.store, one.manifest) == set(), at
        if len(calls) <= at:
            break
    assert outcomes == {0, 1}
    assert at > 6


@pytest.mark.invariant(2)
def test_a_sweep_and_a_tag_take_turns_around_the_calls_that_matter() -> None:
    """Both have looked; one writes its tag and looks again, the other deletes and looks again."""
    outcomes = set()
    for first, second, third in product(range(3, 10), range(3, 7), range(1, 6)):
        bucket = after_a_month(False, True, True)
        tagging = Turns(bucket.store, partial(tag, at=bucket.published[0], name="kept", by="me"))
        cleaner = Turns(bucket.store, partial(sweep, retention=NEWEST_ONLY))
        cleaner.take(first)
        tagging.take(second)
        cleaner.take(third)
        ended = tagging.finish()
        assert isinstance(cleaner.finish(), Swept)
        tags = read_tags(bucket.store)
        assert isinstance(ended, Tag if tags else VersionRejected)
        outcomes.add(len(tags))
        for one in tags:
            assert missing_packs(bucket.store, one.manifest) == set()
    assert outcomes == {0, 1}


@pytest.mark.invariant(2)
def test_a_sweep_and_a_rollback_in_every_order_of_their_calls_with_four_changes() -> None:
    """The rollback makes some calls, the sweep some, the rollback some, then each to its end."""
    outcomes = set()
    for first, second, third in product(range(12), range(3, 12), range(12)):
        bucket = after_a_month(False, True, True)
        oldest = bucket.published[0]
        back = Turns(bucket.store, partial(rollback, version=oldest, writer="operator"))
        cleaner = Turns(bucket.store, partial(sweep, retention=NEWEST_ONLY))
        back.take(first)
        cleaner.take(second)
        back.take(third)
        assert isinstance(cleaner.finish(), Swept)
        outcomes.add(type(back.finish()))
        bucket.head_is_whole()
    assert outcomes == {RolledBack, VersionRejected}


@pytest.mark.invariant(2)
def test_a_sweep_at_every_call_of_a_rollback() -> None:
    outcomes = set()
    for at in count():
        bucket = after_a_month(False, True, True)
        calls = interrupted(bucket, at, bucket.sweep)
        try:
            rollback(bucket.store, bucket.published[0], "operator")
            outcomes.add("rolled back")
        except VersionRejected:
            outcomes.add("swept")
        bucket.head_is_whole()
        if len(calls) <= at:
            break
    assert outcomes == {"rolled back", "swept"}
    assert at > 6


@pytest.mark.invariant(2)
def test_a_writer_at_every_call_of_a_sweep_that_pauses_for_days() -> None:
    for at in count():
        bucket = after_a_month(False, True)

        def act(bucket: Bucket = bucket) -> None:
            bucket.publish()
            bucket.publish(fold=True)
            bucket.waiting = stage_pack(bucket.store, b"waiting")
            bucket.time.passes(30 * DAY)

        calls = interrupted(bucket, at, act)
        bucket.sweep()
        bucket.head_is_whole()
        if len(calls) <= at:
            break
        assert bucket.waiting is not None
        publish_unleased(bucket.store, bucket.waiting)
        bucket.head_is_whole()
