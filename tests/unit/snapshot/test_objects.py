"""S3's answers: Written, Lost with what is there, or StorageUnavailable; and what was moved."""

import pytest
from botocore.exceptions import ClientError

from instep.aws.objects import Lost, ObjectMissing, Objects, ObjectTooLarge, Written
from instep.errors import StorageUnavailable
from tests.support.aws import BUCKET
from tests.support.faults import refusing, silent
from tests.support.snapshots import World


@pytest.fixture
def objects(world: World) -> Objects:
    return Objects(world.aws.s3, BUCKET)


@pytest.mark.invariant(3)
def test_the_first_to_create_wins_and_the_second_sees_it(objects: Objects) -> None:
    written = objects.create("key", b"one")
    assert isinstance(written, Written)
    lost = objects.create("key", b"two")
    assert isinstance(lost, Lost)
    assert lost.current is not None
    assert (lost.current.body, lost.current.etag) == (b"one", written.etag)


def test_replacing_needs_the_witness_of_what_is_there(objects: Objects) -> None:
    first = objects.create("key", b"one")
    assert isinstance(first, Written)
    assert isinstance(objects.replace("key", b"two", first.etag), Written)
    lost = objects.replace("key", b"three", first.etag)
    assert isinstance(lost, Lost)
    assert objects.get("key").body == b"two"


def test_replacing_what_was_never_there_is_lost_to_nothing(objects: Objects) -> None:
    assert objects.replace("key", b"x", '"0"') == Lost(None)


def test_a_409_is_the_same_write_again(objects: Objects) -> None:
    with refusing(objects.client, "PutObject", 409, times=2) as calls:
        assert isinstance(objects.create("key", b"one"), Written)
    assert calls.met == 2


def test_a_409_without_end_is_unavailable_and_not_lost(objects: Objects) -> None:
    with (
        refusing(objects.client, "PutObject", 409, times=99) as calls,
        pytest.raises(StorageUnavailable, match="still contended"),
    ):
        objects.create("key", b"one")
    assert calls.met == 5


def test_a_range_is_as_many_bytes_as_asked_for_or_as_there_are(objects: Objects) -> None:
    objects.put("key", b"0123456789")
    assert objects.get_range("key", 0, 1) == b"0"
    assert objects.get_range("key", 3, 4) == b"3456"
    assert objects.get_range("key", 8, 100) == b"89"
    with pytest.raises(ObjectMissing):
        objects.get_range("no such key", 0, 1)


@pytest.mark.parametrize("operation", ["PutObject", "GetObject"])
def test_throttles_and_timeouts_are_unavailable(objects: Objects, operation: str) -> None:
    def act() -> None:
        if operation == "PutObject":
            objects.put("key", b"x")
        else:
            objects.find("key")

    with refusing(objects.client, operation, 503), pytest.raises(StorageUnavailable):
        act()
    with silent(objects.client, operation, applied=False), pytest.raises(StorageUnavailable):
        act()


def test_a_missing_bucket_is_no_outage(world: World) -> None:
    with pytest.raises(ClientError):
        Objects(world.aws.s3, "no-such-bucket").put("key", b"x")


def test_what_is_missing_or_too_large(objects: Objects) -> None:
    assert objects.find("key") is None
    with pytest.raises(ObjectMissing, match="s3://snapshots/key"):
        objects.get("key")
    objects.put("key", b"x" * 11)
    assert objects.get("key", limit=11).body == b"x" * 11
    with pytest.raises(ObjectTooLarge, match="11 bytes, more than the 10 allowed"):
        objects.find("key", limit=10)


def test_listing_and_deleting(objects: Objects) -> None:
    for key in ("a/1", "a/2", "b/1"):
        objects.put(key, key.encode())
    assert [(entry.key, entry.size) for entry in objects.list("a/")] == [("a/1", 3), ("a/2", 3)]
    objects.delete(["a/1", "a/2", "never"])
    assert [entry.key for entry in objects.list("")] == ["b/1"]


def test_traffic_counts_bodies_and_requests(objects: Objects) -> None:
    objects.put("key", b"four")
    objects.get("key")
    objects.find("none")
    traffic = objects.traffic
    assert (traffic.up, traffic.down, traffic.requests) == (4, 4, 3)
