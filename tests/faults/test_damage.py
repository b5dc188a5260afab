"""Bad input of every kind ends as its named error that says what to do: HEAD stays as it was, and
nothing is half-applied; once the damage is undone, everybody goes on.

Databases that are no good are in test_bad_databases.py, entries of the shared cache in
tests/unit/snapshot/test_cache.py, hostile manifests field by field in test_manifest.py.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from instep.chroma.sqlite_rows import SQLITE
from instep.errors import (
    ConfigurationMissing,
    SnapshotCorrupt,
    SnapshotUnsupported,
)
from instep.snapshot.copy.pulled import pull
from instep.snapshot.copy.reader import open_snapshot
from instep.snapshot.format import document
from tests.support.aws import BUCKET
from tests.support.snapshots import (
    NAME,
    World,
    a_world,
    adds,
    database,
    names,
    seen_through,
    updates,
)

Damage = Callable[[bytes, bytes], bytes | None]

DAMAGES: Final[dict[str, Damage]] = {
    "truncated": lambda body, _: body[:-7],
    "half": lambda body, _: body[: len(body) // 2],
    "empty": lambda *_: b"",
    "flipped": lambda body, _: body[:-9] + bytes([body[-9] ^ 1]) + body[-8:],
    "missing": lambda *_: None,
    "swapped": lambda _, other: other,
    "oversized": lambda body, _: body + bytes(17 << 20),
}
CURES: Final = r"instep rollback words VERSION|list-object-versions --bucket snapshots"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two versions; each test undoes what it does."""
    with a_world(tmp_path_factory.mktemp("world")) as world:
        world.write(adds(names(60)))
        world.write(updates(names(5), colour="red"), root=world.fresh_directory())
        yield world


def write(world: World, root: Path) -> None:
    world.stage(updates(names(2), colour="blue"), root=root)


def read(world: World, root: Path) -> None:
    open_snapshot(world.store.objects, NAME, directory=root).close()


def copy(world: World, root: Path) -> None:
    pull(world.store.objects, NAME, root / "pulled")


def actors(world: World) -> list[Callable[[], None]]:
    """Everybody who needs the head: writers cold and a version behind, a reader, `instep pull`."""
    behind = world.fresh_directory()
    shutil.copytree(world.warm, behind, copy_function=shutil.copy2)
    return [
        lambda: write(world, world.fresh_directory()),
        lambda: write(world, behind),
        lambda: read(world, world.fresh_directory()),
        lambda: copy(world, world.fresh_directory()),
    ]


def body_of(world: World, key: str) -> bytes:
    return world.store.objects.get(key).body


def etags(world: World) -> dict[str, str]:
    """What stands for the bytes of every object of the collection."""
    listed = world.aws.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{NAME}/")["Contents"]
    return {one["Key"]: one["ETag"] for one in listed}


def target(world: World, name: str) -> tuple[str, bytes]:
    """The key of an object and what another object of its kind holds."""
    store, manifest = world.store, world.manifest()
    base, increment = (layer.packs[0].hash for layer in manifest.files[SQLITE].layers)
    keys = {
        "HEAD": (store.head_key, b""),
        "manifest": (
            store.manifest_key(manifest.version),
            store.manifest_key(str(manifest.parent)),
        ),
        "base": (store.pack_key(base), store.pack_key(increment)),
        "increment": (store.pack_key(increment), store.pack_key(base)),
    }
    key, other = keys[name]
    if name == "HEAD":
        content = {"collection": "lines", "version": manifest.version, "fencing_token": 1}
        return str(key), document.write("head", {**content, "watermark": None})
    return str(key), body_of(world, str(other))


def put(world: World, key: str, body: bytes | None) -> None:
    if body is None:
        world.store.objects.delete([key])
    else:
        world.put(key, body)


@pytest.mark.invariant(2)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["HEAD", "manifest", "base", "increment"])
def test_damage_in_s3_is_named_and_touches_nothing(shared: World, name: str, damage: str) -> None:
    key, other = target(shared, name)
    whole = body_of(shared, key)
    acts = actors(shared)
    put(shared, key, DAMAGES[damage](whole, other))
    found = etags(shared)
    try:
        for act in acts:
            with pytest.raises(SnapshotCorrupt, match=CURES) as told:
                act()
            assert key in str(told.value)
        assert etags(shared) == found
    finally:
        put(shared, key, whole)
    acts[1]()  # the writer that was a version behind still is, and goes on
    acts[3]()


def test_a_pull_that_failed_leaves_nothing(shared: World) -> None:
    key, _ = target(shared, "increment")
    whole = body_of(shared, key)
    root = shared.fresh_directory()
    shared.put(key, whole[:-1])
    try:
        with pytest.raises(SnapshotCorrupt):
            copy(shared, root)
    finally:
        shared.put(key, whole)
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("name", ["HEAD", "manifest"])
def test_another_format_names_the_release_to_use(shared: World, name: str) -> None:
    key, _ = target(shared, name)
    whole = body_of(shared, key)
    acts = actors(shared)
    shared.put(key, whole.replace(b'"format":1', b'"format":9'))
    try:
        for act in acts:
            with pytest.raises(SnapshotUnsupported, match=r"format 9.*use the release that wrote"):
                act()
    finally:
        shared.put(key, whole)


def escape(content: dict[str, Any]) -> None:
    content["files"]["../../../escaped.sqlite3"] = content["files"][SQLITE]


def swell(content: dict[str, Any]) -> None:
    content["files"][SQLITE][-1][1] = 1 << 60


def grow(content: dict[str, Any]) -> None:
    content["files"][SQLITE][-1][1] = 1 << 37


@pytest.mark.parametrize(
    ("forge", "why"),
    [(escape, "no file of a Chroma"), (swell, "beyond reason"), (grow, "cannot make it grow")],
)
def test_a_forged_manifest_leads_nowhere(
    shared: World, forge: Callable[[dict[str, Any]], None], why: str
) -> None:
    key, _ = target(shared, "manifest")
    whole = body_of(shared, key)
    content = json.loads(whole)["content"]
    forge(content)
    acts = actors(shared)
    shared.put(key, document.write("version", content))
    try:
        for act in acts:
            with pytest.raises(SnapshotCorrupt, match=why):
                act()
    finally:
        shared.put(key, whole)
    assert not list(shared.scratch.rglob("escaped*"))


def test_a_copy_that_has_no_room_is_refused_before_it_is_fetched(
    shared: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(shared.scratch)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    store = shared.store
    with pytest.raises(ConfigurationMissing, match="1000 free: give it more room"):
        open_snapshot(store.objects, NAME, directory=shared.fresh_directory())
    assert store.objects.traffic.requests == 2  # HEAD and the manifest


# -- the copy on this machine


def rot(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(5000)
        file.write(b"rot")


LOCAL: Final[dict[str, Callable[[Path], object]]] = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-4096]),
    "flipped": rot,
    "missing": Path.unlink,
    "swapped": lambda path: path.write_bytes(database(path.parents[1] / "swapped", NAME)),
    "oversized": lambda path: path.write_bytes(path.read_bytes() + bytes(1 << 20)),
    "with a stranger's WAL": lambda path: Path(f"{path}-wal").write_bytes(b"\x37\x7f" * 5000),
    "with a state that is noise": lambda path: (path.parents[1] / "state.json").write_bytes(b"{"),
}


@pytest.mark.parametrize("damage", LOCAL)
def test_a_damaged_copy_is_made_anew(shared: World, damage: str) -> None:
    roots = [shared.fresh_directory(), shared.fresh_directory()]
    write(shared, roots[0])
    read(shared, roots[1] / "reader")
    mains = [roots[0] / "0" / "data" / SQLITE, roots[1] / "reader" / NAME / "0" / "data" / SQLITE]
    for main in mains:
        LOCAL[damage](main)
    with open_snapshot(shared.store.objects, NAME, directory=roots[1] / "reader") as snapshot:
        assert seen_through(snapshot.collection) == shared.seen()
    staged = shared.stage(updates(names(1), colour="green"), root=roots[0])
    shipped = shared.store.manifest(str(staged.version)).files[SQLITE]
    assert len(shipped.layers) == 3  # an increment on the head's, whatever lay here
