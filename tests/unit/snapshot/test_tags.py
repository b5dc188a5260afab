"""Tags keep versions and are names of them; a time means what was the head then."""

from datetime import datetime, timedelta

import pytest

from instep.errors import SnapshotCorrupt, VersionRejected
from instep.snapshot.acts.publish import publish_unleased
from instep.snapshot.acts.rollback import rollback
from instep.snapshot.acts.tagging import tag, untag
from instep.snapshot.copy.at import manifest_at
from instep.snapshot.copy.inventory import missing_packs
from instep.snapshot.copy.tags import read_tags
from instep.snapshot.format import document
from tests.support.memory import DAY, Bucket, stage_pack

HOUR = timedelta(hours=1)


@pytest.fixture
def bucket() -> Bucket:
    """Four versions an hour apart, every one a base of its own; a month ago."""
    made = Bucket()
    for _ in range(4):
        made.publish(fold=True)
        made.time.passes(HOUR)
    made.time.passes(30 * DAY)
    return made


def stored(version: str) -> datetime:
    return datetime.fromisoformat(version[:22])


def test_a_tag_keeps_its_version_until_it_is_untagged(bucket: Bucket) -> None:
    first = bucket.published[0]
    tag(bucket.store, first, "before-the-sale", "me@here")
    swept = bucket.sweep()
    assert swept.versions == tuple(bucket.published[1:-1])
    kept = manifest_at(bucket.store, "before-the-sale")
    assert kept.version == first
    assert missing_packs(bucket.store, kept) == set()
    untag(bucket.store, "before-the-sale")
    assert bucket.sweep().versions == (first,)
    with pytest.raises(VersionRejected, match="no such tag"):
        manifest_at(bucket.store, "before-the-sale")


def test_a_dry_sweep_says_what_a_tag_keeps(bucket: Bucket) -> None:
    tag(bucket.store, bucket.published[0], "kept", "me@here")
    said = bucket.sweep(dry_run=True)
    assert said == bucket.sweep()


def test_a_tagged_version_can_be_gone_back_to_when_nothing_tells_that_it_was_the_head(
    bucket: Bucket,
) -> None:
    """Its child, which called it parent, is swept."""
    tag(bucket.store, bucket.published[0], "good", "me@here")
    bucket.sweep()
    done = rollback(bucket.store, "good", "me@here")
    assert done.to == bucket.published[0]
    bucket.head_is_whole()
    again = tag(bucket.store, bucket.published[0], "good-too", "me@here")
    assert again.version == bucket.published[0]


def test_a_name_is_given_once_and_again_only_to_the_same_version(bucket: Bucket) -> None:
    first, second, *_ = bucket.published
    made = tag(bucket.store, first, "one", "me@here")
    assert tag(bucket.store, first, "one", "you@there") == made
    with pytest.raises(VersionRejected, match=rf"names {first}.*--delete one"):
        tag(bucket.store, second, "one", "me@here")
    tag(bucket.store, "one", "two", "me@here")
    assert {one.name: one.version for one in read_tags(bucket.store)} == {
        "one": first,
        "two": first,
    }


@pytest.mark.parametrize(
    "name", ["", "2026", "A", "../HEAD", "a/b", "a b", "-x", "a" * 64, "HEAD", "\n", "é"]
)
def test_what_is_no_name_is_refused_and_nothing_written(bucket: Bucket, name: str) -> None:
    before = bucket.listing()
    with pytest.raises(VersionRejected, match="no tag's name"):
        tag(bucket.store, bucket.published[0], name, "me@here")
    assert bucket.listing() == before


def test_what_never_was_the_head_is_not_tagged(bucket: Bucket) -> None:
    staged = stage_pack(bucket.store, b"staged")
    version = str(staged.version)
    with pytest.raises(VersionRejected, match="never the head"):
        tag(bucket.store, version, "no", "me@here")
    publish_unleased(bucket.store, staged)
    assert tag(bucket.store, version, "yes", "me@here").version == version


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[" * 9999, document.write("tag", {}), document.write("head", {})]
)
def test_a_damaged_tag_stops_the_sweep_and_says_how_to_go_on(bucket: Bucket, body: bytes) -> None:
    """What it kept cannot be known."""
    tag(bucket.store, bucket.published[0], "mine", "me@here")
    bucket.objects.put("words/tags/mine", body)
    before = bucket.listing()
    with pytest.raises(SnapshotCorrupt, match="instep tag words --delete mine"):
        bucket.sweep()
    assert bucket.listing() == before
    untag(bucket.store, "mine")
    assert bucket.sweep().versions_kept == 1


def test_the_tag_of_another_collection_is_none(bucket: Bucket) -> None:
    tag(bucket.store, bucket.published[0], "mine", "me@here")
    body = bucket.objects.get("words/tags/mine").body
    bucket.objects.put("lines/tags/mine", body)
    other = type(bucket.store)(bucket.objects, "lines", bucket.time)
    with pytest.raises(SnapshotCorrupt, match="that of words"):
        manifest_at(other, "mine")


def test_what_lies_there_under_no_name_of_a_tag_is_left_alone(bucket: Bucket) -> None:
    bucket.objects.put("words/tags/2026", b"mine")
    bucket.objects.put("words/tags/", b"")
    assert read_tags(bucket.store) == []
    bucket.sweep()
    assert "words/tags/2026" in bucket.listing()


def test_a_time_is_what_was_the_head_then(bucket: Bucket) -> None:
    first, second, third, newest = bucket.published
    never = stage_pack(bucket.store, b"staged")

    def at(moment: datetime, zone: str = "") -> str:
        return manifest_at(bucket.store, moment.isoformat() + zone).version

    assert at(stored(second)) == second
    assert at(stored(third) - timedelta(microseconds=1)) == second
    assert at(stored(second) + HOUR / 2, "Z") == second
    assert at(stored(second) + HOUR / 2 + 5 * HOUR, "+05:00") == second
    assert at(stored(newest) + 9999 * DAY) == newest
    assert at(stored(str(never.version))) == newest
    assert manifest_at(bucket.store, first).version == first
    with pytest.raises(VersionRejected, match="swept, or nothing"):
        at(stored(first) - HOUR)


def test_a_time_that_was_swept_is_refused_and_never_answered_by_another_version(
    bucket: Bucket,
) -> None:
    first, _, third, _ = bucket.published
    tag(bucket.store, first, "old", "me@here")
    bucket.sweep()
    for moment in (stored(first), stored(third) + HOUR / 2):
        with pytest.raises(VersionRejected, match="swept"):
            manifest_at(bucket.store, moment.isoformat())


@pytest.mark.parametrize(
    "at", ["", "soon", "2026-13-01", "20260101T000000", "../HEAD", "Yesterday"]
)
def test_what_means_no_version_is_refused(bucket: Bucket, at: str) -> None:
    with pytest.raises(VersionRejected, match="instep history words"):
        manifest_at(bucket.store, at)
