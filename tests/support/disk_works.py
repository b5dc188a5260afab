"""Everything that works on the local disk, as the workflow does it, and what it leads to."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from instep.aws.objects import Objects
from instep.chroma.foreign.whole import read_foreign
from instep.errors import ConfigurationMissing, ImportRejected, StorageUnavailable
from instep.metrics import NoMetrics
from instep.snapshot.acts.importing import Request, import_snapshot
from instep.snapshot.acts.workspace import open_workspace
from instep.snapshot.copy.cache import PackCache
from instep.snapshot.copy.reader import open_snapshot
from instep.snapshot.copy.store import SnapshotStore
from receipt_chroma.compaction.deltas import ARCHIVE, DeltaSource
from receipt_demo.producer import pack, write_directory
from receipt_domain import DOMAIN
from tests.support import predecessor
from tests.support.aws import BUCKET
from tests.support.snapshots import (
    NAME,
    WIDTH,
    Act,
    Seen,
    World,
    adds,
    deletes,
    names,
    seen_in,
    seen_through,
    updates,
    vector,
)

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

Content: TypeAlias = Mapping[str, Seen]
WORDS: Final = names(120)
LABELLED: Final = WORDS[110:]
DELTA: Final = "words/delta/one"
_NARROW: Final = {"hnsw": {"space": "l2", "sync_threshold": 20, "batch_size": 10}}


@dataclass(frozen=True)
class Work:
    """What is done with a world, a number that makes it differ from the last, and what a reader
    sees then where he saw `content` before; `tells` is how it says that the disk failed.
    """

    run: Callable[[World, int], object]
    leads_to: Callable[[World, Content, int], Content]
    tells: tuple[type[Exception], ...] = (StorageUnavailable,)


def begin(world: World) -> None:
    """A collection with an index, a delta and a predecessor's snapshot."""
    world.write(adds(WORDS))
    world.fold()
    ids = names(20)
    made = world.scratch / "made"
    write_directory(
        made, NAME, ids, [[0.5] * WIDTH] * len(ids), [{"x": 1}] * len(ids), ["t"] * len(ids)
    )
    world.put(f"{DELTA}/{ARCHIVE}", pack(made))
    theirs = predecessor.write_directory(
        world.scratch / "theirs", adds(WORDS), configuration=_NARROW
    )
    predecessor.upload(world.aws.s3, theirs)


def change(number: int) -> Act:
    """Label some words, add one, take the one of three numbers before out."""

    def act(collection: "Collection") -> None:
        updates(LABELLED, label=number)(collection)
        deletes([_new(number - 3)])(collection)
        adds([_new(number)])(collection)

    return act


def _new(number: int) -> str:
    return f"x{number:05d}"


def _changed(_: World, content: Content, number: int) -> Content:
    labelled = {
        id_: replace(content[id_], metadata={**content[id_].metadata, "label": number})
        for id_ in LABELLED
    }
    id_ = _new(number)
    one = Seen({"place": id_}, f"text of {id_}", tuple(vector(id_)))
    kept = {each: seen for each, seen in content.items() if each != _new(number - 3)}
    return {**kept, **labelled, id_: one}


def _same(_: World, content: Content, __: int) -> Content:
    return content


def _imported(world: World, _: Content, __: int) -> Content:
    return _read_once(world.scratch / "theirs")


_read_once: Final = cache(seen_in)


def _warm(world: World, number: int) -> None:
    world.write(change(number))


def _cold(world: World, _: int) -> None:
    """A function that has the packs in the shared cache, and no copy."""
    root, cached = _folder(world, "cold"), _folder(world, "cache")
    shutil.rmtree(root)
    cache = PackCache(cached, NoMetrics())
    with open_workspace(SnapshotStore(world.store.objects, NAME, cache=cache), root) as workspace:
        assert workspace.client.get_collection(NAME, embedding_function=None).count()


def _read(world: World, number: int) -> None:
    """A reader whose version goes in place beneath him; who writes it works on another disk."""
    with open_snapshot(world.store.objects, NAME, directory=_folder(world, "reader")) as snapshot:
        world.write(change(number), root=world.scratch.parent / "writer")
        snapshot.refresh()
        seen = seen_through(snapshot.collection)
        assert {seen[id_].metadata["label"] for id_ in LABELLED} == {number}
        assert _new(number) in seen


def _fold(world: World, number: int) -> None:
    world.write(change(number))
    world.fold()


def _delta(world: World, _: int) -> None:
    source = DeltaSource(world.store.objects)
    contents = source.read(source.find(DELTA), NAME, _folder(world, "tmp"))
    assert sorted(contents) == names(20)


def _import(world: World, _: int) -> None:
    request = Request(
        Objects(world.aws.s3, BUCKET), "operator", read_foreign, DOMAIN.identify, on_head=True
    )
    import_snapshot(world.store, request, _folder(world, "tmp"), lambda *_: None)


def _folder(world: World, name: str) -> Path:
    folder = world.scratch / name
    folder.mkdir(exist_ok=True)
    return folder


WORKS: Final[dict[str, Work]] = {
    "a warm run": Work(_warm, _changed),
    "a cold open": Work(_cold, _same),
    "a reader": Work(_read, _changed, (StorageUnavailable, ConfigurationMissing)),
    "a fold": Work(_fold, _changed),
    "a delta": Work(_delta, _same),
    # nobody tries it again but its operator: where chromadb drops the cause, it may be either
    "an import": Work(_import, _imported, (StorageUnavailable, ImportRejected)),
}


def left_on_disk(world: World) -> set[str]:
    """Every file and folder that work leaves, whatever its content."""
    others = {"cloud", "made", "theirs", "cache"}  # the cache's go by age
    folders = (path for path in world.scratch.iterdir() if path.name not in others)
    paths = (path for folder in folders for path in (folder, *folder.rglob("*")))
    return {str(path.relative_to(world.scratch)) for path in paths}
