"""S3_ONLY, EFS, AUTO: which packs come from where, and what a mode that is not there costs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from instep.chroma.sqlite_rows import SQLITE
from instep.errors import SnapshotCorrupt
from instep.metrics import NoMetrics
from instep.snapshot.acts.workspace import open_workspace
from instep.snapshot.copy.cache import PackCache
from instep.snapshot.copy.storage_mode import StorageMode, choose_cache
from instep.snapshot.copy.store import SnapshotStore
from tests.support.metrics import Counts
from tests.support.snapshots import NAME, World, adds, names, updates

UNWRITABLE = Path("/proc/self")  # a folder that even root may not write


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """Where the shared file system is."""
    path = tmp_path / "mount"
    path.mkdir()
    return path


def machine(world: World, mount: Path) -> SnapshotStore:
    """A store as another machine makes it."""
    cache = choose_cache(StorageMode.EFS, mount, NoMetrics()).cache
    assert cache is not None
    return SnapshotStore(world.store.objects, NAME, cache=cache)


@contextmanager
def opened(store: SnapshotStore, root: Path) -> Iterator[int]:
    """Open the head to write on a machine without a warm copy; gives how much it holds."""
    with open_workspace(store, root) as workspace:
        yield workspace.client.get_collection(NAME, embedding_function=None).count()


@pytest.mark.domain("storage-modes")
@pytest.mark.parametrize("mode", [StorageMode.EFS, StorageMode.AUTO])
def test_a_writable_mount_is_a_cache(mode: StorageMode, mount: Path) -> None:
    counts = Counts()
    chosen = choose_cache(mode, mount, counts)
    assert isinstance(chosen.cache, PackCache)
    assert chosen.fallback is None
    assert not counts
    assert [path for path in mount.rglob("*") if path.is_file()] == []


@pytest.mark.domain("storage-modes")
def test_s3_only_leaves_a_mount_alone(mount: Path) -> None:
    assert choose_cache(StorageMode.S3_ONLY, mount, NoMetrics()).cache is None
    assert list(mount.iterdir()) == []


@pytest.mark.parametrize("mode", [StorageMode.EFS, StorageMode.AUTO])
@pytest.mark.parametrize("where", ["missing", "unwritable", "a file"])
def test_a_mount_that_cannot_be_had_is_counted_and_done_without(
    mode: StorageMode, where: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    path = {
        "missing": tmp_path / "missing",
        "unwritable": UNWRITABLE,
        "a file": tmp_path / "file",
    }[where]
    counts = Counts()
    chosen = choose_cache(mode, path, counts)
    assert chosen.cache is None
    assert str(path) in str(chosen.fallback)
    assert counts == {"CompactionCacheFallback": 1}
    assert not (tmp_path / "missing").exists()  # a folder made here would be no shared one


def test_only_efs_misses_a_mount_that_nobody_asked_for() -> None:
    counts = Counts()
    assert choose_cache(StorageMode.AUTO, None, counts).fallback is None
    assert not counts
    assert "CHROMA_CACHE_ROOT" in str(choose_cache(StorageMode.EFS, None, counts).fallback)
    assert counts == {"CompactionCacheFallback": 1}


def test_another_machine_takes_packs_from_the_mount(
    world: World, mount: Path, tmp_path: Path
) -> None:
    world.write(adds(names(50)))
    with opened(machine(world, mount), tmp_path / "first") as count:
        assert count == 50
    again = machine(world, mount)
    with opened(again, tmp_path / "second") as count:
        assert count == 50
    assert again.objects.traffic.requests == 2  # HEAD and the manifest


def test_what_a_writer_stages_the_next_one_finds_and_nothing_but_packs_lies_there(
    world: World, mount: Path, tmp_path: Path
) -> None:
    world.write(adds(names(50)))
    with open_workspace(machine(world, mount), tmp_path / "first") as workspace:
        updates(names(5), colour="red")(
            workspace.client.get_collection(NAME, embedding_function=None)
        )
        held = {path.name for path in mount.rglob("*") if path.is_file()}
        assert held <= world.manifest().packs()  # no WAL, no database: work is done in /tmp
        staged = workspace.stage("test", 1, None, {})
    shipped = world.store.manifest(str(staged.version)).packs()
    assert {path.name for path in mount.rglob("*") if path.is_file()} == shipped


def test_damage_on_the_mount_costs_a_fetch_and_nothing_else(
    world: World, mount: Path, tmp_path: Path
) -> None:
    world.write(adds(names(50)))
    with opened(machine(world, mount), tmp_path / "first"):
        pass
    (entry,) = (path for path in mount.rglob("*") if path.is_file())
    body = entry.read_bytes()
    entry.write_bytes(body[: len(body) // 2])
    again = machine(world, mount)
    with opened(again, tmp_path / "second") as count:
        assert count == 50
    assert again.objects.traffic.requests == 3
    assert entry.read_bytes() == body


def test_s3_stays_the_truth(world: World, mount: Path, tmp_path: Path) -> None:
    """Damage in S3 is told as such, and does not get into the cache."""
    world.write(adds(names(50)))
    (pack,) = world.manifest().files[SQLITE].layers[0].packs
    world.put(world.store.pack_key(pack.hash), bytes(pack.bytes))
    with (
        pytest.raises(SnapshotCorrupt, match=pack.hash),
        opened(machine(world, mount), tmp_path / "first"),
    ):
        pass
    assert [path for path in mount.rglob("*") if path.is_file()] == []
