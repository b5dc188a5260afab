"""What lies in S3 and on a reader's disk: HEAD, manifests, packs, and the state of a local copy.

What opens must also be right: the content of one of the versions there are.
"""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from benchmarks.hostile.boundary import Boundary
from benchmarks.hostile.case import Case
from benchmarks.hostile.memory_objects import MemoryObjects
from benchmarks.hostile.mutation import bytes_mutated, json_mutated, nested
from instep.chroma.collection import apply, get_collection, read
from instep.difference import Addition, Changes, Update
from instep.errors import SnapshotCorrupt, SnapshotUnsupported, VersionRejected
from instep.snapshot.acts.fold import fold
from instep.snapshot.acts.publish import publish_unleased
from instep.snapshot.acts.workspace import open_workspace
from instep.snapshot.copy.fetch import Damaged, FilePlan, prepare
from instep.snapshot.copy.reader import open_snapshot
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format import document
from instep.snapshot.format.manifest import Layer, PackRef
from instep.snapshot.format.pack import encode, no_parent
from instep.snapshot.format.pages import PAGE, Digest

_NAME: Final = "words"
_DECLARED: Final = (SnapshotCorrupt, SnapshotUnsupported, VersionRejected)


@dataclass(frozen=True)
class _World:
    """A collection of a few versions: its objects, the newest version, and what each holds."""

    objects: Mapping[str, bytes]
    head: str
    contents: frozenset[str]

    @property
    def head_key(self) -> str:
        return f"{_NAME}/HEAD"

    @property
    def manifest_key(self) -> str:
        return f"{_NAME}/versions/{self.head}.json"

    def with_object(self, key: str, body: bytes) -> MemoryObjects:
        return MemoryObjects({**self.objects, key: body})


def boundaries(scratch: Path) -> list[Boundary]:
    """Return the boundaries of a store; it is written in `scratch` first."""
    world = _written(scratch / "writer")
    return [_head(world), _manifest(world), _pack(scratch), _opening(world), _copy(world, scratch)]


def _head(world: _World) -> Boundary:
    return Case(
        "HEAD",
        _DECLARED,
        lambda dice: _document(dice, "head", world.objects[world.head_key]),
        lambda body: _ignored(SnapshotStore(MemoryObjects({world.head_key: body}), _NAME).head()),
    )


def _manifest(world: _World) -> Boundary:
    def look(body: bytes) -> None:
        SnapshotStore(MemoryObjects({world.manifest_key: body}), _NAME).manifest(world.head)

    return Case(
        "manifest",
        _DECLARED,
        lambda dice: _document(dice, "version", world.objects[world.manifest_key]),
        look,
    )


def _pack(scratch: Path) -> Boundary:
    """A pack whose name is right, so that all it says inside is looked at."""
    path = scratch / "page-file"

    def look(body: bytes) -> None:
        ref = PackRef(sha256(body).hexdigest(), len(body), 8)
        layer = Layer("v", 8 * PAGE, "0" * 64, (ref,))
        prepare(FilePlan(path, (layer,)), iter([body]), _ignored).discard()

    pages = {number: bytes([number]) * PAGE for number in range(1, 9)}
    healthy = encode(pages, no_parent, Digest(), "v").body
    return Case("pack", (Damaged,), lambda dice: _odd_pack(dice, healthy), look)


def _opening(world: _World) -> Boundary:
    """A reader that has nothing yet, and any object of the collection changed."""

    def changed(dice: random.Random) -> tuple[str, bytes]:
        key = dice.choice(sorted(world.objects))
        kinds = {world.head_key: "head", world.manifest_key: "version"}
        if key in kinds:
            return key, _document(dice, kinds[key], world.objects[key])
        return key, bytes_mutated(dice, world.objects[key])

    def look(sample: tuple[str, bytes]) -> None:
        with open_snapshot(world.with_object(*sample), _NAME) as snapshot:
            _require_known(world, _content(snapshot.collection))

    return Case("opening", _DECLARED, changed, look)


def _copy(world: _World, scratch: Path) -> Boundary:
    """The note of what a local copy holds, changed where it lies: S3 is right, so all must heal."""
    directory = scratch / "reader"
    objects = MemoryObjects(world.objects)
    with open_snapshot(objects, _NAME, directory=directory):
        pass
    (state,) = directory.rglob("state.json")

    def look(seed: int) -> None:
        dice = random.Random(seed)  # noqa: S311 - no secret
        good = state.read_bytes()
        state.write_bytes(_json(dice, json.loads(good)) if dice.random() < 0.8 else b"{")
        with open_snapshot(objects, _NAME, directory=directory) as snapshot:
            _require_known(world, _content(snapshot.collection))

    return Case("state.json", (), lambda dice: dice.getrandbits(64), look)


def _document(dice: random.Random, kind: str, body: bytes) -> bytes:
    """Change a document: its bytes, or its content under a checksum that is right again."""
    act = dice.random()
    if act < 0.3:
        return bytes_mutated(dice, body)
    if act < 0.35:
        return nested(dice)
    whole = json.loads(body)
    if act < 0.45:
        return _json(dice, whole)
    content = json_mutated(dice, whole["content"])
    return document.write(kind, content)


def _json(dice: random.Random, value: Any) -> bytes:
    return json.dumps(json_mutated(dice, value)).encode()


def _odd_pack(dice: random.Random, healthy: bytes) -> bytes:
    """Change a pack's bytes, its header's and tables' above all; or encode pages no file has."""
    if dice.random() < 0.8:
        return bytes_mutated(dice, healthy, most=3)
    numbers = [dice.choice((1, 2, 9, 2**31, 2**32 - 1, dice.randrange(1, 99))) for _ in range(3)]
    pages = {n: dice.choice((bytes(PAGE), b"", b"x" * dice.randrange(2 * PAGE))) for n in numbers}
    return encode(pages, no_parent, Digest(), "v").body


def _written(root: Path) -> _World:
    objects = MemoryObjects()
    store = SnapshotStore(objects, _NAME)
    adds = {f"w{n}": Addition([float(n), 1.0], {"n": n}, f"text {n}") for n in range(20)}
    contents = [_publish(store, root, Changes(adds=adds))]
    publish_unleased(store, fold(store, root.with_name("fold"), "bench", 0))
    for number in (1, 2):
        updates = {f"w{n}": Update({"n": -number}) for n in range(5)}
        contents.append(_publish(store, root, Changes(updates=updates)))
    head = store.head()
    return _World(dict(objects.held), head.version if head else "", frozenset(contents))


def _publish(store: SnapshotStore, root: Path, changes: Changes) -> str:
    """Publish the changes; return the content of the version."""
    with open_workspace(store, root) as workspace:
        collection = get_collection(workspace.client, _NAME)
        apply(collection, changes)
        content = _content(collection)
        publish_unleased(store, workspace.stage("bench", 0, None, {}))
    return content


def _content(collection: Any) -> str:
    return sha256(repr(sorted(read(collection).items())).encode()).hexdigest()


def _require_known(world: _World, content: str) -> None:
    if content not in world.contents:
        raise AssertionError("what was opened is the content of no version")


def _ignored(_: object) -> None:
    pass
