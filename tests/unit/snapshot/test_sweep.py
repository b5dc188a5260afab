"""What a sweep deletes and when it refuses; a rival at every call of it, and it at every call of a
rollback. Random histories are in tests/property/test_retention.py.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import count, product

import pytest

from instep.errors import SnapshotConflict, SnapshotCorrupt, SnapshotUnsupported, VersionRejected
from instep.snapshot import document
from instep.snapshot.inventory import missing_packs
from instep.snapshot.publish import Staged, publish_unleased
from instep.snapshot.retention import GRACE, Retention
from instep.snapshot.rollback import RolledBack, rollback
from instep.snapshot.store import SnapshotStore
from instep.snapshot.sweep import Swept, sweep
from tests.support.memory import InMemory, Time, stage_pack
from tests.support.turns import Turns

NEWEST_ONLY = Retention(1, timedelta(0))
DAY = timedelta(days=1)


class Bucket:
    """A collection in memory, and what was published into it."""

    def __init__(self) -> None:
        self.time = Time()
        self.objects = InMemory(self.time)
        self.store = SnapshotStore(self.objects, "words", self.time)
        self.published: list[str] = []
        self.waiting: Staged | None = None

    def publish(self, *, fold: bool = False) -> str:
        body = f"pack {len(self.published)}".encode()
        staged = stage_pack(self.store, body, fold=fold)
        self.published.append(publish_unleased(self.store, staged).version)
        return self.published[-1]

    def sweep(self, retention: Retention = NEWEST_ONLY, *, dry_run: bool = False) -> Swept:
        return sweep(self.store, retention, dry_run=dry_run)

    def head_is_whole(self) -> str:
        head = self.store.head()
        assert head is not None
        assert missing_packs(self.store, self.store.manifest(head.version)) == set()
        return head.version

    def listing(self) -> set[str]:
        return set(self.objects.held)


@pytest.fixture
def bucket() -> Bucket:
    """Three versions on one base, then a fold and one more, all of them old."""
    made = Bucket()
    for _ in range(3):
        made.publish()
    made.publish(fold=True)
    made.publish()
    made.time.passes(30 * DAY)
    return made


def test_history_goes_and_a_pack_goes_with_the_last_version_that_names_it(bucket: Bucket) -> None:
    head = bucket.published[-1]
    swept = bucket.sweep()
    assert swept.versions == tuple(bucket.published[:-1])
    assert (swept.packs, swept.packs_kept, swept.versions_kept) == (3, 2, 1)
    assert bucket.listing() == {
        "words/HEAD",
        bucket.store.manifest_key(head),
        *map(bucket.store.pack_key, bucket.store.manifest(head).packs()),
    }


@pytest.mark.parametrize(
    ("retention", "kept"),
    [
        (Retention(3, timedelta(0)), 3),
        (Retention(99, timedelta(0)), 5),
        (Retention(1, 29 * DAY), 1),
        (Retention(1, 31 * DAY), 5),
    ],
)
def test_history_is_kept_by_number_and_by_time(
    bucket: Bucket, retention: Retention, kept: int
) -> None:
    assert bucket.sweep(retention).versions_kept == kept


def test_time_counts_from_when_a_version_was_the_head_no_more(bucket: Bucket) -> None:
    """A head of a month, replaced an hour ago, is what an operator wants back."""
    bucket.publish()
    bucket.time.passes(timedelta(hours=1))
    swept = bucket.sweep(Retention(1, DAY))
    assert swept.versions == tuple(bucket.published[:-2])


def test_a_dry_run_says_what_the_act_then_does(bucket: Bucket) -> None:
    before = bucket.listing()
    said = bucket.sweep(dry_run=True)
    assert bucket.listing() == before
    assert bucket.sweep() == said
    assert len(before) - len(bucket.listing()) == len(said.versions) + said.packs


def test_progress_ends_at_the_total(bucket: Bucket) -> None:
    told: list[tuple[int, int]] = []
    swept = sweep(
        bucket.store, NEWEST_ONLY, progress=lambda done, total: told.append((done, total))
    )
    assert told[-1] == (len(swept.versions) + swept.packs,) * 2


def test_a_stage_in_progress_loses_nothing(bucket: Bucket) -> None:
    bucket.objects.put(bucket.store.pack_key("a" * 64), b"not named yet")
    bucket.time.passes(GRACE - timedelta(minutes=1))
    bucket.sweep()
    assert bucket.store.pack_key("a" * 64) in bucket.listing()
    bucket.time.passes(timedelta(minutes=1))
    bucket.sweep()
    assert bucket.store.pack_key("a" * 64) not in bucket.listing()


@pytest.mark.invariant(2)
def test_a_writer_that_paused_for_a_year_may_still_publish(bucket: Bucket) -> None:
    staged = stage_pack(bucket.store, b"patient")
    bucket.time.passes(365 * DAY)
    bucket.sweep()
    assert publish_unleased(bucket.store, staged).version == bucket.head_is_whole()


def test_what_can_never_be_published_any_more_goes(bucket: Bucket) -> None:
    late = stage_pack(bucket.store, b"late")
    bucket.publish()
    bucket.time.passes(GRACE)
    assert late.version in bucket.sweep().versions
    with pytest.raises(SnapshotConflict):
        publish_unleased(bucket.store, late)


def test_what_others_put_there_is_left_alone(bucket: Bucket) -> None:
    others = {"words/versions/README.txt", "words/packs/notes", "words/snapshot/latest-pointer.txt"}
    for key in others:
        bucket.objects.put(key, b"mine")
    bucket.time.passes(GRACE)
    bucket.sweep()
    assert others <= bucket.listing()


def lose_head(bucket: Bucket) -> None:
    bucket.objects.delete([bucket.store.head_key])


def damage_head(bucket: Bucket) -> None:
    bucket.objects.put(bucket.store.head_key, b"{")


def lose_the_heads_version(bucket: Bucket) -> None:
    bucket.objects.delete([bucket.store.manifest_key(bucket.published[-1])])


def damage_an_old_version(bucket: Bucket) -> None:
    bucket.objects.put(bucket.store.manifest_key(bucket.published[1]), b"{")


@pytest.mark.parametrize(
    "harm", [lose_head, damage_head, lose_the_heads_version, damage_an_old_version]
)
def test_in_doubt_nothing_is_swept(bucket: Bucket, harm: Callable[[Bucket], None]) -> None:
    harm(bucket)
    bucket.time.passes(GRACE)
    before = bucket.listing()
    with pytest.raises(SnapshotCorrupt):
        bucket.sweep()
    assert bucket.listing() == before


def test_a_version_of_another_format_ends_the_sweep(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(document, "FORMAT", 2)
        newer = document.write("version", {})
    bucket.objects.put(bucket.store.manifest_key(bucket.published[0]), newer)
    before = bucket.listing()
    with pytest.raises(SnapshotUnsupported, match="format 2"):
        bucket.sweep()
    assert bucket.listing() == before


def test_nothing_published_yet_is_nothing_to_sweep() -> None:
    bucket = Bucket()
    first = stage_pack(bucket.store, b"first")
    bucket.time.passes(30 * DAY)
    assert bucket.sweep().versions == ()
    assert publish_unleased(bucket.store, first).version == bucket.head_is_whole()


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
        bucket = Bucket()
        for fold in (False, True, True):
            bucket.publish(fold=fold)
        bucket.time.passes(30 * DAY)

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
def test_a_sweep_and_a_rollback_in_every_order_of_their_calls_with_four_changes() -> None:
    """The rollback makes some calls, the sweep some, the rollback some, then each to its end."""
    outcomes = set()
    for first, second, third in product(range(12), range(9), range(12)):
        bucket = Bucket()
        for fold in (False, True, True):
            bucket.publish(fold=fold)
        bucket.time.passes(30 * DAY)
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
        bucket = Bucket()
        for fold in (False, True, True):
            bucket.publish(fold=fold)
        bucket.time.passes(30 * DAY)
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
        bucket = Bucket()
        for fold in (False, True):
            bucket.publish(fold=fold)
        bucket.time.passes(30 * DAY)

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
