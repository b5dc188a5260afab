"""What a sweep deletes and when it refuses. Rivals are in tests/faults/test_sweep_rivals.py, random
histories in tests/property/test_retention.py.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest

from instep.errors import SnapshotConflict, SnapshotCorrupt, SnapshotUnsupported
from instep.snapshot.acts.publish import publish_unleased
from instep.snapshot.acts.retention import GRACE, Retention
from instep.snapshot.acts.sweep import sweep
from instep.snapshot.format import document
from tests.support.memory import DAY, NEWEST_ONLY, Bucket, stage_pack


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
