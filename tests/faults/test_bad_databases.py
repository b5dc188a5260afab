"""A published database whose hashes are right and which is no good, and a HEAD that is gone: each
ends as its named error that says what to do, and nothing is written.
"""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from instep.chroma.collection import close_client, open_client
from instep.chroma.sqlite_rows import SQLITE
from instep.errors import (
    CompactionError,
    ConfigurationMissing,
    SnapshotCorrupt,
    SnapshotUnsupported,
)
from instep.snapshot.acts.publish import publish_unleased
from instep.snapshot.acts.shipping import Change, ship_base
from instep.snapshot.acts.staging import Origin, put_version
from instep.snapshot.format.manifest import Facts
from instep.snapshot.format.pages import PageFile
from tests.faults.test_damage import copy, etags, read, write
from tests.support.aws import BUCKET
from tests.support.snapshots import NAME, World, adds, database, names

ACTORS: Final = (write, read, copy)


def noise(_: Path) -> bytes:
    return b"no database at all\1\1" * 1000  # its header is as every published one


def cut_off(directory: Path) -> bytes:
    body = database(directory, NAME)
    return body[: len(body) // 8192 * 4096]


def other_schema(directory: Path) -> bytes:
    database(directory, NAME)
    with closing(sqlite3.connect(directory / SQLITE, isolation_level=None)) as connection:
        connection.execute("INSERT INTO migrations VALUES ('sysdb', 99, 'new', '', 'x')")
    return (directory / SQLITE).read_bytes()


def other_collection(directory: Path) -> bytes:
    return database(directory, "lines")


def default_threshold(directory: Path) -> bytes:
    client = open_client(directory)
    client.create_collection(NAME, embedding_function=None)
    close_client(client)
    return (directory / SQLITE).read_bytes()


def publish_as_head(world: World, body: bytes) -> None:
    """Publish a database as a foreign tool might: every hash is right."""
    path = world.scratch / "forged"
    path.write_bytes(body)
    store, version = world.store, world.store.new_version()
    with PageFile(path) as file:
        files = {SQLITE: ship_base(store, version, Change(len(body), {}, file.read))}
    origin = Origin("somebody", 0, None, {}, store.head())
    publish_unleased(store, put_version(store, version, origin, Facts(), files, 0))


BAD: Final[Mapping[str, tuple[Callable[[Path], bytes], type[CompactionError], str]]] = {
    "noise": (noise, SnapshotCorrupt, "no whole database.*instep rollback words VERSION"),
    "cut off": (cut_off, SnapshotCorrupt, "no whole database.*instep rollback words VERSION"),
    "other schema": (other_schema, SnapshotUnsupported, "open it once with the chromadb"),
    "other collection": (other_collection, SnapshotUnsupported, r"\['lines'\].*`instep import`"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_database_that_is_no_good_is_named_by_who_would_use_it(world: World, bad: str) -> None:
    make, error, why = BAD[bad]
    world.write(adds(names(3)))
    publish_as_head(world, make(world.scratch / "bad"))
    before = etags(world)
    for act in ACTORS:
        with pytest.raises(error, match=why):
            act(world, world.fresh_directory())
    assert etags(world) == before


def test_a_collection_that_would_lose_vectors_is_read_and_never_written(world: World) -> None:
    publish_as_head(world, default_threshold(world.scratch / "bad"))
    before = etags(world)
    with pytest.raises(SnapshotUnsupported, match="lose vectors: import it with `instep import`"):
        write(world, world.fresh_directory())
    assert etags(world) == before
    read(world, world.fresh_directory())


# -- a HEAD that is gone


@pytest.mark.invariant(1)
def test_a_lost_head_is_no_empty_collection(world: World) -> None:
    """One version, so that only S3's own memory tells it from a first version never published."""
    world.aws.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    world.write(adds(names(3)))
    world.store.objects.delete([world.store.head_key])
    for act in ACTORS:
        with pytest.raises(SnapshotCorrupt, match="HEAD is missing, though it was there"):
            act(world, world.fresh_directory())
    (marker,) = world.aws.s3.list_object_versions(Bucket=BUCKET, Prefix=world.store.head_key)[
        "DeleteMarkers"
    ]
    world.aws.s3.delete_object(Bucket=BUCKET, Key=marker["Key"], VersionId=marker["VersionId"])
    assert len(world.seen()) == 3  # what the error says to do


def test_a_first_version_that_was_never_published_is_in_nobodys_way(world: World) -> None:
    world.stage(adds(names(3)), root=world.fresh_directory())
    with pytest.raises(ConfigurationMissing, match="no version yet"):
        read(world, world.fresh_directory())
    world.write(adds(names(5)))
    assert len(world.seen()) == 5
