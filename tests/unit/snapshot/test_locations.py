"""Where a snapshot lies, as a person writes it: each form, and what is none of them."""

from pathlib import Path

import boto3
import chromadb
import pytest

import instep
from instep.aws.objects import Objects
from instep.chroma.collection import close_client
from instep.chroma.sqlite_rows import SQLITE
from instep.errors import (
    ConfigurationMissing,
    LocationRejected,
    SnapshotCorrupt,
    VersionRejected,
)
from instep.snapshot.copy.pulled import PULLED, pull
from tests.support.aws import BUCKET
from tests.support.snapshots import (
    NAME,
    World,
    adds,
    names,
    scribble,
    seen_in,
    seen_through,
    updates,
)


@pytest.fixture
def pulled(world: World, tmp_path: Path) -> Path:
    """A copy of a version of 20."""
    world.write(adds(names(20)))
    pull(world.store.objects, NAME, tmp_path / "pulled")
    return tmp_path / "pulled"


@pytest.mark.parametrize("location", [BUCKET, f"s3://{BUCKET}", f"s3://{BUCKET}/"])
def test_a_bucket(world: World, location: str) -> None:
    world.write(adds(names(3)))
    with instep.open_snapshot(location, NAME) as snapshot:
        assert snapshot.version == world.version()


@pytest.mark.parametrize("location", [f"s3://{BUCKET}/teams/blue", f"s3://{BUCKET}/teams/blue/"])
def test_a_place_in_a_bucket_is_never_the_bucket(world: World, location: str) -> None:
    world.write(adds(names(3)))
    with pytest.raises(ConfigurationMissing, match=f"s3://{BUCKET}/teams/blue/{NAME}/HEAD"):
        instep.open_snapshot(location, NAME)
    for key, body in world.objects().items():
        world.put(f"teams/blue/{key}", body)
    world.store.objects.delete([*world.objects()])
    with instep.open_snapshot(location, NAME) as snapshot:
        assert snapshot.collection.count() == 3
        assert snapshot.refresh() is False


def test_objects_under_a_prefix_know_nothing_of_what_lies_beside_them(world: World) -> None:
    whole = Objects(world.aws.s3, BUCKET)
    part = Objects(world.aws.s3, BUCKET, "part/")
    whole.put("a/1", b"whole")
    part.put("a/1", b"part")
    assert part.get("a/1").body == b"part"
    assert [listed.key for listed in part.list("a/")] == ["a/1"]
    assert {listed.key for listed in whole.list("")} == {"a/1", "part/a/1"}
    part.delete(["a/1"])
    assert whole.get("a/1").body == b"whole"
    assert part.find("a/1") is None
    with pytest.raises(LookupError, match=f"s3://{BUCKET}/part/a/1"):
        part.get("a/1")


@pytest.mark.parametrize(
    "location",
    ["", "s3://", "s3:///words", "s3://Not_A_Bucket/x", "https://bucket", "My_Words", "./nowhere"],
)
def test_what_is_no_location_is_told_the_forms(location: str) -> None:
    with pytest.raises(LocationRejected, match=r"s3://BUCKET/PREFIX.*`instep pull` wrote"):
        instep.open_snapshot(location, NAME)


def test_a_bucket_that_is_not_there_is_named(world: World) -> None:
    world.write(adds(names(1)))
    with pytest.raises(ConfigurationMissing, match="no bucket nobodys-bucket"):
        instep.open_snapshot("s3://nobodys-bucket", NAME)


def test_a_pulled_directory_is_read_without_any_client_of_aws(
    world: World, pulled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = world.seen()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a client of AWS was made")

    monkeypatch.setattr(boto3, "client", refuse)
    monkeypatch.chdir(pulled.parent)
    for location in (pulled, str(pulled), "./pulled", "pulled"):
        with instep.open_snapshot(location, NAME) as snapshot:
            assert seen_through(snapshot.collection) == expected
            assert snapshot.refresh() is False


def test_it_says_the_version_and_how_fresh_that_is(world: World, pulled: Path) -> None:
    with (
        instep.open_snapshot(world.store.objects, NAME, at=world.version()) as stored,
        instep.open_snapshot(pulled, NAME, at=world.version()) as local,
    ):
        assert (local.version, local.freshness) == (stored.version, stored.freshness)
    with pytest.raises(VersionRejected, match=f"holds {world.version()} alone"):
        instep.open_snapshot(pulled, NAME, at="20200101T000000.000000Z-00000000")


def test_a_directory_of_several_pulled_collections(world: World, tmp_path: Path) -> None:
    world.write(adds(names(3)))
    pull(world.store.objects, NAME, tmp_path / "copies" / NAME)
    with instep.open_snapshot(tmp_path / "copies", NAME) as snapshot:
        assert snapshot.collection.count() == 3
    with pytest.raises(LocationRejected, match="no copy of lines"):
        instep.open_snapshot(tmp_path / "copies", "lines")


def test_reading_leaves_a_pulled_directory_as_it_is_and_several_may(pulled: Path) -> None:
    before = {path: path.read_bytes() for path in pulled.rglob("*") if path.is_file()}
    with instep.open_snapshot(pulled, NAME) as one, instep.open_snapshot(pulled, NAME) as other:
        assert one.collection.count() == other.collection.count() == 20
    assert {path: path.read_bytes() for path in pulled.rglob("*") if path.is_file()} == before


def test_plain_chromadb_may_look_at_it_and_it_is_still_the_version(
    world: World, pulled: Path
) -> None:
    expected = world.seen()
    for _ in range(2):
        assert seen_in(pulled) == expected
    with instep.open_snapshot(pulled, NAME) as snapshot:
        assert seen_through(snapshot.collection) == expected


def test_plain_chromadb_may_write_to_it_and_then_it_is_the_version_no_more(pulled: Path) -> None:
    client = chromadb.PersistentClient(str(pulled))
    try:
        client.get_collection(NAME, embedding_function=None).delete(ids=["w00003"])
    finally:
        close_client(client)
    assert "w00003" not in seen_in(pulled)
    with pytest.raises(SnapshotCorrupt, match=r"no longer what was pulled.*PersistentClient"):
        instep.open_snapshot(pulled, NAME)


@pytest.mark.invariant(5)
def test_what_was_damaged_since_is_not_read(pulled: Path) -> None:
    scribble(pulled / SQLITE)
    with (
        pytest.raises(SnapshotCorrupt, match="pull it again"),
        instep.open_snapshot(pulled, NAME),
    ):
        pass  # closed, where it opens after all
    (pulled / SQLITE).unlink()
    with pytest.raises(SnapshotCorrupt, match=f"{SQLITE} is gone"):
        instep.open_snapshot(pulled, NAME)
    (pulled / PULLED).write_bytes((pulled / PULLED).read_bytes()[:-9])
    with pytest.raises(LocationRejected, match=f"damaged {PULLED}"):
        instep.open_snapshot(pulled, NAME)
    (pulled / PULLED).unlink()
    with pytest.raises(LocationRejected, match="no copy of words"):
        instep.open_snapshot(pulled, NAME)


def test_a_kept_copy_follows_a_directory_that_is_pulled_anew(world: World, tmp_path: Path) -> None:
    """Though the new version's pages are those of the old one and a few: they are not fetched."""
    world.write(adds(names(40)))
    pulled, kept = tmp_path / "pulled", tmp_path / "kept"
    pull(world.store.objects, NAME, pulled)
    with instep.open_snapshot(pulled, NAME, directory=kept) as snapshot:
        world.write(updates(names(2), colour="red"))
        pulled.rename(tmp_path / "old")
        pull(world.store.objects, NAME, pulled)
        assert snapshot.refresh() is True
        assert snapshot.version == world.version()
        assert seen_through(snapshot.collection) == world.seen()


def test_a_folded_version_is_pulled_with_its_index(world: World, tmp_path: Path) -> None:
    world.write(adds(names(300)))
    world.fold()
    pull(world.store.objects, NAME, tmp_path / "pulled")
    assert len(world.manifest().files) > 1
    with instep.open_snapshot(tmp_path / "pulled", NAME) as snapshot:
        assert seen_through(snapshot.collection) == world.seen()
