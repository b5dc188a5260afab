"""Whatever becomes of the copy on this machine, it is healed from S3; no link is followed."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings

from instep.chroma.sqlite_rows import SQLITE
from instep.snapshot.copy.copy_state import Held, State, Waiting, parse, to_bytes
from instep.snapshot.copy.reader import open_snapshot
from instep.snapshot.format.document import DocumentDamaged
from tests.support.odd import as_json, edits
from tests.support.snapshots import NAME, Seen, World, a_world, adds, names, seen_through, updates

Damage = Callable[[Path], object]
DEEP: Final = "[" * 5000
STATE: Final = State(
    "20260101T000000.000000Z-00000000",
    {SQLITE: Held(8192, "ab" * 32, (1, 8192, 7))},
    Waiting("20260101T000001.000000Z-00000000", 8192, "cd" * 32),
    "00" * 100,
)


def edited(**fields: Any) -> Damage:
    def damage(copy: Path) -> None:
        state = json.loads((copy / "state.json").read_text())
        (copy / "state.json").write_text(json.dumps({**state, **fields}))

    return damage


def of_file(**fields: Any) -> Damage:
    return lambda copy: edited(
        files={SQLITE: {**json.loads((copy / "state.json").read_text())["files"][SQLITE], **fields}}
    )(copy)


def replaced(name: str, make: Damage) -> Damage:
    def damage(copy: Path) -> None:
        path = copy / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        make(path)

    return damage


def moved_behind_a_link(name: str) -> Damage:
    def damage(copy: Path) -> None:
        elsewhere = copy.parents[1] / "elsewhere"
        (copy / name).rename(elsewhere)
        (copy / name).symlink_to(elsewhere)

    return damage


def full_folder(path: Path) -> None:
    (path / "a" / "b").mkdir(parents=True)
    (path / "a" / "b" / "c").write_text("x")


def unseen(page: int) -> Damage:
    """Damage a page in a way that neither the size nor the time tells."""

    def damage(copy: Path) -> None:
        main = copy / "data" / SQLITE
        found = main.stat()
        with main.open("r+b") as file:
            file.seek((page - 1) * 4096)
            file.write(b"\xff" * 4096)
        os.utime(main, ns=(found.st_atime_ns, found.st_mtime_ns))

    return damage


WAL: Final = f"data/{SQLITE}-wal"
DAMAGES: Final[dict[str, Damage]] = {
    "files a list": edited(files=[]),
    "files a number": edited(files=3),
    "files of elsewhere": edited(files={"../../victim": {"size": 1, "digest": "", "stamp": []}}),
    "header no hexadecimal": edited(header="zz"),
    "header a number": edited(header=5),
    "header of a byte": edited(header="ab"),
    "header of other bytes": edited(header="ab" * 100),
    "waiting cut off": edited(waiting={"version": "x", "size": 1}),
    "version a number": edited(version=5),
    "another start of the machine": edited(boot="x"),
    "size a text": of_file(size="x"),
    "size negative": of_file(size=-1),
    "stamp a text": of_file(stamp="abc"),
    "stamp infinite": of_file(stamp=[1e999, 1, 1]),
    "a list": replaced("state.json", lambda path: path.write_text("[]")),
    "deep": replaced("state.json", lambda path: path.write_text(DEEP)),
    "state a folder": replaced("state.json", Path.mkdir),
    "state.new a folder": replaced("state.new", full_folder),
    "data a file": replaced("data", lambda path: path.write_text("x")),
    "data behind a link": moved_behind_a_link("data"),
    "database behind a link": moved_behind_a_link(f"data/{SQLITE}"),
    "database shared": lambda copy: os.link(copy / "data" / SQLITE, copy.parents[1] / "twin"),
    "database a folder": replaced(f"data/{SQLITE}", full_folder),
    "partial a folder": replaced(f"data/{SQLITE}.partial", full_folder),
    "WAL a folder": replaced(WAL, full_folder),
    "WAL a link to nowhere": replaced(WAL, lambda path: path.symlink_to(path.parents[3] / "made")),
    "a link to a folder": replaced("data/out", lambda path: path.symlink_to(path.parents[3])),
    "first page": unseen(1),
    "schema's pages": lambda copy: [unseen(page)(copy) for page in range(2, 8)],
    "claimed by a file": replaced(".", lambda path: path.write_text("x")),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, dict[str, Seen]]]:
    with a_world(tmp_path_factory.mktemp("damage")) as world:
        world.write(adds(names(30)))
        world.write(updates(names(5), a=1))
        yield world, world.seen()


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_copy_is_healed_from_s3(
    whole: tuple[World, dict[str, Seen]], tmp_path: Path, what: str
) -> None:
    world, truth = whole
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    open_snapshot(world.store.objects, NAME, directory=tmp_path).close()
    DAMAGES[what](tmp_path / NAME / "0")
    for _ in range(2):
        with open_snapshot(world.store.objects, NAME, directory=tmp_path) as snapshot:
            assert seen_through(snapshot.collection) == truth
    assert mine.read_text() == "mine"
    assert not (tmp_path / "made").exists()
    if (tmp_path / "twin").exists():
        assert (tmp_path / "twin").stat().st_nlink == 1, "it was written through"


def test_a_state_is_read_as_it_was_written() -> None:
    assert parse(to_bytes(STATE))[0] == STATE


@given(as_json() | edits(json.loads(to_bytes(STATE))))
@settings(max_examples=300, deadline=None)
def test_any_other_state_is_worth_nothing(body: bytes) -> None:
    try:
        state, _ = parse(body)
    except DocumentDamaged:
        return
    assert parse(to_bytes(state))[0] == state
    assert set(state.files) <= {SQLITE}
