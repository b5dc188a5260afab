"""What a reader finds on its disk and in S3: whose fault it is, and whose property."""

import errno
import os
from pathlib import Path
from typing import Final

import pytest

from instep.errors import ConfigurationMissing, SnapshotCorrupt, SnapshotUnsupported
from instep.snapshot.copy.claim import MARK
from instep.snapshot.copy.reader import open_snapshot
from tests.support.snapshots import NAME, World, adds, names, seen_through


def test_what_s3_has_is_blamed_on_s3_and_fetched_once(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that are as published and that nobody can open: fetching them again changes nothing."""
    world.write(adds(names(10)))
    open_snapshot(world.store.objects, NAME, directory=tmp_path).close()
    objects = world.store.objects
    monkeypatch.setattr("instep.chroma.sqlite_wal._SCHEMA", "00000000")
    with pytest.raises(SnapshotUnsupported, match="another schema"):
        open_snapshot(objects, NAME, directory=tmp_path)
    assert objects.traffic.requests == 2, "HEAD and the manifest"


def test_damage_in_s3_is_still_called_so(world: World, tmp_path: Path) -> None:
    world.write(adds(names(10)))
    (pack,) = world.manifest().packs()
    world.put(world.store.pack_key(pack), b"no pack")
    with pytest.raises(SnapshotCorrupt, match=pack):
        open_snapshot(world.store.objects, NAME, directory=tmp_path)


def test_folders_of_others_are_left_and_named(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.write(adds(names(3)))
    root = tmp_path / NAME
    for theirs in ("2024/thesis.txt", "0/data/mine.txt"):
        (root / theirs).parent.mkdir(parents=True)
        (root / theirs).write_text("years of work")
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / MARK).touch()
    (root / "1").symlink_to(tmp_path / "else")
    (root / "2").write_text("x")
    (root / "²").mkdir()
    for _ in range(2):
        with open_snapshot(world.store.objects, NAME, directory=tmp_path) as snapshot:
            assert len(seen_through(snapshot.collection)) == 3
    assert (root / "2024/thesis.txt").read_text() == "years of work"
    assert (root / "0/data/mine.txt").read_text() == "years of work"
    assert sorted(path.name for path in root.iterdir()) == ["0", "1", "2", "2024", "3", "²"]
    assert [path.name for path in (tmp_path / "else").iterdir()] == [MARK]
    assert f"{root / '0'} is no copy of Instep's" in caplog.text


CURES: Final = {
    errno.EACCES: "name another `directory`",
    errno.EEXIST: "name another `directory`",
    errno.ENOTDIR: "name another `directory`",
    errno.EROFS: "name another `directory`",
    errno.ENOSPC: "give it room",
    errno.EMFILE: "open more files",
}


@pytest.mark.parametrize("number", CURES)
def test_a_disk_that_refuses_is_this_machines_trouble(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    world.write(adds(names(3)))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(ConfigurationMissing, match=CURES[number]):
        open_snapshot(world.store.objects, NAME, directory=tmp_path)
