"""Import: what the predecessor left becomes a version a writer is safe on; what is hostile is told.

What the snapshot held is read by plain chromadb before it is uploaded.
"""

import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from instep.aws.objects import Objects
from instep.chroma.foreign.whole import read_foreign
from instep.chroma.sqlite_rows import SQLITE
from instep.errors import CompactionError, ImportRejected, SnapshotCorrupt
from instep.snapshot.acts.importing import Imported, Request, import_snapshot
from instep.snapshot.acts.rebuilding import Identify, Reading
from receipt_demo.producer import pack
from tests.support.aws import BUCKET, DELTAS
from tests.support.predecessor import (
    ARCHIVE,
    FOLDER,
    ID,
    POINTER,
    put,
    upload,
    write_directory,
)
from tests.support.snapshots import World, adds, deletes, names, queued, seen_in, updates

NARROW = {"hnsw": {"space": "l2", "sync_threshold": 50, "batch_size": 10}}
BOTH = [read_foreign, None]
LEGACY = {"hnsw:space": "l2", "hnsw:sync_threshold": 30, "hnsw:batch_size": 10}


def take_in(
    world: World,
    *,
    on_head: bool = False,
    bucket: str = BUCKET,
    reading: Reading | None = read_foreign,
    identify: Identify = lambda _: {},
) -> Imported:
    source = Objects(world.aws.s3, bucket)
    request = Request(source, "operator", reading, identify, None, on_head)
    world.scratch.mkdir(exist_ok=True)
    return import_snapshot(world.store, request, world.scratch)


def write(directory: Path, **settings: Any) -> Path:
    """120 embeddings less 20, some persisted and some queued, as the settings have it."""
    acts = (
        adds(names(60)),
        adds(names(60, 60)),
        updates(names(10), colour="red"),
        deletes(names(20, 60)),
    )
    return write_directory(directory, *acts, **settings)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an index; copied before anybody touches it."""
    return write(tmp_path_factory.mktemp("narrow") / "theirs", configuration=NARROW)


@pytest.fixture
def theirs(world: World, narrow: Path) -> Path:
    return Path(shutil.copytree(narrow, world.scratch / "theirs"))


@pytest.mark.parametrize("reading", BOTH, ids=["rebuilt", "trusted"])
@pytest.mark.domain("predecessors-snapshots")
@pytest.mark.parametrize(
    ("form", "settings"),
    [("tar", {}), ("loose", {"configuration": NARROW}), ("tar", {"metadata": LEGACY})],
    ids=["sync at 1000", "sync at 50", "settings in metadata"],
)
def test_readers_see_what_it_held_and_a_writer_is_safe_on_it(
    world: World, form: str, settings: dict[str, Any], reading: Reading | None
) -> None:
    theirs = write(world.scratch / "theirs", **settings)
    held = seen_in(theirs)
    upload(world.aws.s3, theirs, form=form)
    done = take_in(world, reading=reading)
    assert (done.id, done.hash_checked, done.embeddings) == (ID, form == "tar", 100)
    assert done.index_kept is (reading is None)
    assert world.version() == done.version
    manifest = world.manifest()
    assert (manifest.parent, manifest.facts.pending_vectors) == (None, 0)
    assert manifest.note["imported"] == ID
    assert world.seen() == held
    for number in range(3):  # with a threshold in reach a stub would have lost vectors by now
        world.write(adds(names(60, 1000 + 100 * number)))
    world.write(updates(names(5), colour="blue"))
    seen = world.seen()
    assert len(seen) == 280
    assert seen["w00000"].metadata["colour"] == "blue"
    assert {id_: seen[id_].vector for id_ in held} == {id_: held[id_].vector for id_ in held}


@pytest.mark.parametrize("reading", BOTH, ids=["rebuilt", "trusted"])
def test_what_finds_an_embedding_comes_from_its_id_whatever_was_written_there(
    world: World, reading: Reading | None
) -> None:
    """A predecessor's may name themselves in the id only, or write a number as a text."""

    def add(collection: Any) -> None:
        metadatas = [{"whose": 1, "n": 1}, {"whose": "1"}, None]
        vectors = [[float(n), 0.0] for n in range(3)]
        collection.add(ids=["a#1", "b#1", "c#2"], embeddings=vectors, metadatas=metadatas)

    upload(world.aws.s3, write_directory(world.scratch / "theirs", add))
    take_in(world, reading=reading, identify=lambda id_: {"whose": int(id_[-1])})
    seen = {id_: dict(one.metadata) for id_, one in world.seen().items()}
    assert seen == {"a#1": {"whose": 1, "n": 1}, "b#1": {"whose": 1}, "c#2": {"whose": 2}}


@pytest.mark.parametrize("reading", BOTH, ids=["rebuilt", "trusted"])
def test_texts_it_had_deleted_are_not_taken_over(
    world: World, theirs: Path, reading: Reading | None
) -> None:
    upload(world.aws.s3, theirs)
    take_in(world, reading=reading)
    pulled = world.fresh_directory()
    world.store.materialise(str(world.version()), pulled)
    assert queued(pulled / SQLITE) <= 1
    deleted = [f"text of {id_}".encode() for id_ in names(20, 60)]
    assert any(text in (theirs / SQLITE).read_bytes() for text in deleted)
    assert not [text for text in deleted if text in (pulled / SQLITE).read_bytes()]


def test_an_index_nobody_uses_and_strange_files_stay_behind(world: World, theirs: Path) -> None:
    (index,) = (path for path in theirs.iterdir() if path.is_dir())
    orphan = theirs / "01234567-89ab-cdef-0123-456789abcdef"
    orphan.mkdir()
    (orphan / "header.bin").write_bytes(b"old")
    (theirs / ".snapshot_hash").write_text("md5:of an older form")
    (theirs / "notes.txt").write_text("mine")
    upload(world.aws.s3, theirs)
    take_in(world, reading=None)
    assert {name.split("/")[0] for name in world.manifest().files} == {SQLITE, index.name}
    take_in(world, on_head=True)
    assert len({name.split("/")[0] for name in world.manifest().files}) == 2


def test_an_empty_collection_is_imported(world: World) -> None:
    upload(world.aws.s3, write_directory(world.scratch / "theirs"))
    assert take_in(world).embeddings == 0
    world.write(adds(names(3)))
    assert len(world.seen()) == 3


def test_from_another_bucket(world: World, theirs: Path) -> None:
    upload(world.aws.s3, theirs, bucket=DELTAS)
    with pytest.raises(ImportRejected, match=r"latest-pointer\.txt does not exist"):
        take_in(world)
    assert take_in(world, bucket=DELTAS).embeddings == 100


def test_on_a_head_only_when_asked(world: World, theirs: Path) -> None:
    upload(world.aws.s3, theirs)
    world.write(adds(names(1, 7000)))
    before = world.objects()
    with pytest.raises(ImportRejected, match="--on-head"):
        take_in(world)
    assert world.objects() == before
    head = world.version()
    done = take_in(world, on_head=True)
    assert (world.version(), world.manifest().parent) == (done.version, head)
    assert len(world.seen()) == 100


def test_a_lost_head_is_no_empty_collection(world: World, theirs: Path) -> None:
    upload(world.aws.s3, theirs)
    world.write(adds(names(1)))
    world.write(updates(names(1), colour="red"))
    world.store.objects.delete([world.store.head_key])
    before = world.objects()
    with pytest.raises(SnapshotCorrupt, match="HEAD is missing"):
        take_in(world)
    assert world.objects() == before


def rename_collection(world: World, _: Path) -> None:
    upload(world.aws.s3, write_directory(world.scratch / "other", adds(names(2)), name="lines"))


def another_collection_too(world: World, theirs: Path) -> None:
    write_directory(theirs, adds(names(2)), name="lines")
    upload(world.aws.s3, theirs)


def a_pointer_that_leads_elsewhere(world: World, _: Path) -> None:
    put(world.aws.s3, POINTER, b"../../../words/HEAD")


def an_empty_pointer(world: World, _: Path) -> None:
    put(world.aws.s3, POINTER, b"\n")


def a_pointer_to_nothing(world: World, _: Path) -> None:
    put(world.aws.s3, POINTER, b"20250101_000000")


def a_huge_pointer(world: World, _: Path) -> None:
    put(world.aws.s3, POINTER, b"2" * 100_000)


def another_hash(world: World, _: Path) -> None:
    put(world.aws.s3, f"{FOLDER}.snapshot_hash", b"md5:" + b"0" * 32)


def a_flipped_archive(world: World, theirs: Path) -> None:
    body = bytearray(pack(theirs))
    body[len(body) // 2] ^= 1
    put(world.aws.s3, ARCHIVE, bytes(body))


def an_open_wal(world: World, theirs: Path) -> None:
    (theirs / f"{SQLITE}-wal").write_bytes(b"unfinished")
    upload(world.aws.s3, theirs)


def no_database(world: World, theirs: Path) -> None:
    (theirs / SQLITE).unlink()
    upload(world.aws.s3, theirs)


def a_cut_off_database(world: World, theirs: Path) -> None:
    body = (theirs / SQLITE).read_bytes()
    (theirs / SQLITE).write_bytes(body[: len(body) // 2])
    upload(world.aws.s3, theirs)


def no_database_at_all(world: World, theirs: Path) -> None:
    (theirs / SQLITE).write_bytes(b"\x7fELF" * 4096)
    upload(world.aws.s3, theirs)


def a_trigger(world: World, theirs: Path) -> None:
    with closing(sqlite3.connect(theirs / SQLITE)) as database:
        database.execute(
            "CREATE TRIGGER spy AFTER INSERT ON embeddings BEGIN DELETE FROM collections; END"
        )
        database.commit()
    upload(world.aws.s3, theirs)


def no_elements(world: World, theirs: Path) -> None:
    next(theirs.rglob("data_level0.bin")).write_bytes(b"")
    upload(world.aws.s3, theirs)


def a_damaged_label_map(world: World, theirs: Path) -> None:
    next(theirs.rglob("index_metadata.pickle")).write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    upload(world.aws.s3, theirs)


Harm = Callable[[World, Path], None]


@pytest.mark.parametrize("reading", BOTH, ids=["rebuilt", "trusted"])
@pytest.mark.domain("predecessors-snapshots")
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (rename_collection, "must hold words alone|no collection 'words'"),
        (another_collection_too, "must hold words alone"),
        (a_pointer_that_leads_elsewhere, "no id of a snapshot"),
        (an_empty_pointer, "no id of a snapshot"),
        (a_pointer_to_nothing, "nothing lies there"),
        (a_huge_pointer, "more than the 4096 allowed"),
        (another_hash, "it is damaged"),
        (a_flipped_archive, "it is damaged"),
        (an_open_wal, "did not close it"),
        (no_database, "holds no chroma.sqlite3"),
        (a_cut_off_database, "is damaged|malformed|unreadable"),
        (no_database_at_all, "no SQLite database|not a database"),
        (a_trigger, "trigger 'spy'|'spy' is not as any chromadb"),
        (no_elements, "cannot use this snapshot|its header says"),
        (a_damaged_label_map, "cannot use this snapshot|only plain data"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_hostile_or_broken_is_told_and_nothing_is_published(
    world: World, theirs: Path, harm: Harm, said: str, reading: Reading | None
) -> None:
    upload(world.aws.s3, theirs)
    harm(world, theirs)
    with pytest.raises(CompactionError, match=said) as refused:
        take_in(world, reading=reading)
    assert isinstance(refused.value, ImportRejected)
    assert world.version() is None
    assert not [key for key in world.objects() if "/versions/" in key or "/packs/" in key]
    assert list(world.scratch.glob("*import-*")) == []


@pytest.mark.parametrize("reading", BOTH, ids=["rebuilt", "trusted"])
def test_a_directory_of_an_older_chromadb(world: World, reading: Reading | None) -> None:
    """The archive holds what chromadb 0.4.24 wrote: w00000 to w00029 of 8 floats, their number as
    `k`; then the first five got k = -1, the next three were deleted, w00008 and w00009 replaced by
    nines and eights. Its index names the ids by a pickled class, and has room for 1,000 elements
    where its header says 100.
    """
    theirs = world.scratch / "theirs"
    with tarfile.open(Path(__file__).with_name("chroma-0.4.24.tar.gz")) as archive:
        archive.extractall(theirs, filter="data")
    upload(world.aws.s3, theirs)
    assert take_in(world, reading=reading).embeddings == 27
    seen = world.seen()
    assert seen.keys() == {*names(5), *names(22, 8)}
    assert [seen[id_].metadata["k"] for id_ in names(5)] == [-1] * 5
    assert (seen["w00010"].metadata["k"], seen["w00010"].document) == (10, "d10")
    assert [seen[id_].vector for id_ in names(2, 8)] == [(9.0,) * 8, (8.0,) * 8]
    world.write(adds(names(60, 100)))
    assert len(world.seen()) == 87
    assert world.manifest().facts.pending_vectors == 60
