"""A byte of a copy changes on the disk, and neither size nor time tell of it: what a writer or a
fold publishes is right for all readers, or nothing is published and the next try is right.
"""

import os
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from instep.chroma.sqlite_rows import SQLITE
from instep.errors import StorageUnavailable
from instep.snapshot.copy.page_hashes import CopyDamaged, KeptHashes, PageHashes
from instep.snapshot.format.pages import PAGE, file_digest, page_hash, read_pages
from tests.support.snapshots import Seen, World, a_world, adds, names, updates

WORDS: Final = names(300)
TEXT: Final = "q" * 200
Content = dict[str, Seen]


def rot(main: Path, places: list[int]) -> None:
    """Turn bytes over behind the back of whoever looks at the file's size and time."""
    before = main.stat()
    with main.open("r+b") as file:
        for at in places:
            file.seek(at % before.st_size)
            byte = file.read(1)[0]
            file.seek(at % before.st_size)
            file.write(bytes([byte ^ 0x5A]))
    os.utime(main, ns=(before.st_atime_ns, before.st_mtime_ns))


def texts(main: Path) -> list[int]:
    """Where long fields lie, a byte of each: SQLite and chromadb read over such damage."""
    body, found, at = main.read_bytes(), [], 0
    while (at := body.find(TEXT.encode(), at)) >= 0:
        found.append(at + 100)
        at += len(TEXT)
    return found


def begun(world: World) -> None:
    """Fold, so that there is a base, and leave a version in the warm copy that waits no more."""
    world.write(adds(WORDS, pad=TEXT))
    world.fold()
    world.write(updates(WORDS[:3], a=1))
    world.write(updates(WORDS[:3], a=2))


def labelled(content: Content, ids: list[str], number: int) -> Content:
    return content | {
        id_: replace(content[id_], metadata={**content[id_].metadata, "b": number}) for id_ in ids
    }


@pytest.mark.invariant(2)
@pytest.mark.parametrize("ids", [WORDS[:40], WORDS], ids=["an increment", "a base"])
def test_what_stands_on_a_damaged_page_is_not_published(world: World, ids: list[str]) -> None:
    begun(world)
    content, head = world.seen(), world.version()
    main = world.warm / "0" / "data" / SQLITE
    rot(main, texts(main))
    with pytest.raises(StorageUnavailable, match="damaged on this machine's disk"):
        world.write(updates(ids, b=3))
    assert world.version() == head
    world.write(updates(ids, b=3))
    assert world.seen() == labelled(content, ids, 3)


@pytest.mark.invariant(2)
@pytest.mark.parametrize("file", [SQLITE, "data_level0.bin"])
def test_a_fold_carries_no_damage_on(world: World, file: str) -> None:
    begun(world)
    world.write(adds(["old"]))
    world.fold()
    content = world.seen()
    (damaged,) = (world.scratch / "fold").rglob(file)
    rot(damaged, texts(damaged) or list(range(0, damaged.stat().st_size, 97)))
    world.write(adds(["new"]))
    world.fold()
    assert {id_: one for id_, one in world.seen().items() if id_ != "new"} == content


def test_damage_that_chromadb_meets_first_is_not_told_as_s3s(world: World) -> None:
    begun(world)
    main = world.warm / "0" / "data" / SQLITE
    rot(main, list(range(0, main.stat().st_size, 50)))
    with pytest.raises(StorageUnavailable, match="S3 is untouched"):
        world.write(updates(WORDS, b=3))
    world.write(updates(WORDS, b=3))


@given(data=st.data())
@profile(max_examples=max(5, profile().max_examples // 20))
def test_each_embedding_is_as_before_or_as_wanted_wherever_a_byte_changes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    with a_world(tmp_path_factory.mktemp("world")) as world:
        begun(world)
        content = world.seen()
        main = world.warm / "0" / "data" / SQLITE
        places = st.integers(0, main.stat().st_size - 1)
        rot(main, data.draw(st.lists(places, min_size=1, max_size=200)))
        ids = WORDS[: data.draw(st.sampled_from([1, 40, 300]))]
        for act in (partial(world.write, updates(ids, b=3)), world.fold):
            with suppress(StorageUnavailable):
                act()
            wanted = labelled(content, ids, 3)
            assert all(one in (content[id_], wanted[id_]) for id_, one in world.seen().items())
        world.write(updates(ids, b=3))
        assert world.seen() == labelled(content, ids, 3)


# -- the kept table itself


def of_file(path: Path) -> PageHashes:
    return PageHashes(b"".join(page_hash(number, page) for number, page in read_pages(path)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(3 * PAGE + 100))
    return path


def plain(_: int, page: bytes) -> bytes:
    return page


def test_kept_hashes_stand_for_one_content_and_damaged_ones_are_made_anew(file: Path) -> None:
    digest, kept = file_digest(file), file.with_name("hashes")
    KeptHashes(kept).save(of_file(file), digest)
    nothing = file.with_name("nothing")
    assert KeptHashes(kept).of(nothing, digest, plain).raw == of_file(file).raw
    with pytest.raises(FileNotFoundError):
        KeptHashes(kept).of(nothing, "0" * 64, plain)
    for at in range(0, kept.stat().st_size, 17):
        whole = kept.read_bytes()
        kept.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert KeptHashes(kept).of(file, digest, plain).raw == of_file(file).raw
        kept.write_bytes(whole[:at])
        assert KeptHashes(kept).of(file, digest, plain).raw == of_file(file).raw
        kept.write_bytes(whole)


def test_hashes_are_not_made_of_a_file_that_is_something_else(file: Path) -> None:
    digest = file_digest(file)
    rot(file, [5000])
    with pytest.raises(CopyDamaged):
        KeptHashes(file.with_name("hashes")).of(file, digest, plain)
