"""What a reader asks of a chromadb, one question a function: run where that release is installed.

    python -m benchmarks.reader_contract WORLD.json

The world (reader_releases.py) is versions that the writer's release published to a local S3, with
what that release read of them and answered. Prints which questions this release failed, and why.
"""

import json
import sys
import tempfile
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

import boto3
import chromadb

from instep.chroma import installed

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

    from instep.snapshot.copy.reader import Snapshot

COLLECTION: Final = "words"
_ALL: Final[Any] = ["metadatas", "documents", "embeddings"]
_FILTERS: Final[Sequence[Mapping[str, Any]]] = (
    {"where": {"place": 7}},
    {"where": {"$and": [{"price": {"$gt": 3.5}}, {"price": {"$lt": 20}}, {"good": True}]}},
    {"where": {"labels": {"$contains": "FRUIT"}}},
    {"where": {"colour": {"$in": ["red", "blue"]}}},
    {"where": {"$or": [{"colour": {"$ne": "red"}}, {"place": {"$lte": 2}}]}},
    {"where_document": {"$contains": "of 11"}},
    {"ids": ["w00001", "w00299"]},
)


class Otherwise(AssertionError):
    """This release answers otherwise than the writer's."""


def require(holds: object, otherwise: str) -> None:
    """Raise Otherwise, unless it holds; an `assert` may be switched off."""
    if not holds:
        raise Otherwise(otherwise)


def contents(collection: "Collection") -> dict[str, Any]:
    """Return all that a collection holds, by id, as JSON has it."""
    got: Any = collection.get(include=_ALL)
    rows = zip(got["ids"], got["metadatas"], got["documents"], got["embeddings"], strict=True)
    return {
        id_: [metadata, document, [float(number) for number in vector]]
        for id_, metadata, document, vector in rows
    }


def answers(collection: "Collection", vectors: Sequence[Sequence[float]]) -> list[Any]:
    """Return what a collection answers to some searches, as JSON has it."""
    said: list[Any] = [collection.count(), collection.peek(3)["ids"]]
    for asked in _FILTERS:
        said.append(collection.get(**asked, include=[])["ids"])
        found: Any = collection.query(query_embeddings=[*vectors], n_results=5, **asked)
        said.append([found["ids"], [[round(d, 3) for d in row] for row in found["distances"]]])
    return said


@dataclass
class World:
    """The store, and what the writer's release made of each version."""

    bucket: str
    heads: Sequence[str]
    versions: Sequence[str]
    contents: Sequence[Any]
    answers: Sequence[Any]
    vectors: Sequence[Sequence[float]]

    def be_at(self, number: int) -> None:
        """Let HEAD name a version."""
        body = b64decode(self.heads[number])
        boto3.client("s3").put_object(Bucket=self.bucket, Key=f"{COLLECTION}/HEAD", Body=body)

    def open(self, at: str | None = None, **named: Any) -> "Snapshot":
        """Open the head, or a version."""
        import instep

        return instep.open_snapshot(f"s3://{self.bucket}", COLLECTION, at=at, **named)

    def check(self, collection: "Collection", number: int) -> None:
        """Raise Otherwise unless the collection is the version, and answers as it did."""
        require(
            contents(collection) == self.contents[number], f"version {number} is read otherwise"
        )
        said = answers(collection, self.vectors)
        for now, then in zip(said, self.answers[number], strict=True):
            require(now == then, f"version {number} answers {now}, and not {then}")


def reads_every_version(world: World, _: Path) -> None:
    """Each version is read and searched as the writer's release did."""
    for number, name in enumerate(world.versions):
        with world.open(at=name) as snapshot:
            world.check(snapshot.collection, number)


def follows_the_head(world: World, _: Path) -> None:
    """A refresh shows the next version through the same handle, in place or opened anew."""
    world.be_at(0)
    with world.open() as snapshot:
        handle = snapshot.collection
        for number in range(len(world.versions)):
            world.be_at(number)
            require(snapshot.refresh() is (number > 0), f"the refresh to {number} says otherwise")
            world.check(handle, number)


def never_answers_half(world: World, _: Path) -> None:
    """While the head moves, each call sees one version, whole."""
    world.be_at(0)
    wrong: list[int] = []
    known = {json.dumps(told[0]) for told in world.answers}
    done = Event()
    with world.open() as snapshot:

        def ask() -> None:
            while not done.is_set():
                count = snapshot.collection.count()
                if json.dumps(count) not in known:
                    wrong.append(count)

        asking = [Thread(target=ask) for _ in range(2)]
        for thread in asking:
            thread.start()
        try:
            for number in range(len(world.versions)):
                world.be_at(number)
                snapshot.refresh()
        finally:
            done.set()
            for thread in asking:
                thread.join()
    require(not wrong, f"a call saw {wrong[:3]} embeddings, as no version has")


def leaves_its_copy_as_it_was_published(world: World, scratch: Path) -> None:
    """The next open of a kept directory trusts what it finds there, and fetches no pack."""
    from instep.aws.objects import Objects
    from instep.snapshot.copy.reader import open_snapshot

    world.be_at(len(world.versions) - 1)
    for most in (None, 2):  # requests: HEAD and the manifest
        objects = Objects(boto3.client("s3"), world.bucket)
        with open_snapshot(objects, COLLECTION, directory=scratch) as snapshot:
            world.check(snapshot.collection, len(world.versions) - 1)
        require(most in (None, objects.traffic.requests), "its copy is not what was published")


def reads_a_pulled_directory(world: World, scratch: Path) -> None:
    """Plain, by its own client, and as a location of a snapshot."""
    import instep
    from instep.aws.objects import Objects
    from instep.chroma.collection import close_client
    from instep.snapshot.copy.pulled import pull

    for number, name in enumerate(world.versions):
        directory = scratch / str(number)
        pull(Objects(boto3.client("s3"), world.bucket), COLLECTION, directory, at=name)
        plain = chromadb.PersistentClient(str(directory))
        world.check(plain.get_collection(COLLECTION, embedding_function=None), number)
        close_client(plain)
        with instep.open_snapshot(directory, COLLECTION) as snapshot:
            world.check(snapshot.collection, number)


def refuses_to_write(world: World, _: Path) -> None:
    """By any handle, and below them."""
    from instep.errors import SnapshotReadOnly

    world.be_at(0)
    with world.open() as snapshot:
        server: Any = snapshot.client._server  # type: ignore[attr-defined]
        handles: list[Any] = [
            snapshot.collection,
            snapshot.client.get_collection(COLLECTION),
            snapshot.client.get_or_create_collection(COLLECTION),
            *snapshot.client.list_collections(),
        ]
        vector = [*world.vectors[0]]
        acts: list[Callable[[], object]] = [
            partial(server._delete, handles[0].id, ids=["w00001"]),
            partial(snapshot.client.create_collection, "mine", embedding_function=None),
            partial(snapshot.client.delete_collection, COLLECTION),
        ]
        for handle in handles:
            acts += [
                partial(handle.add, ids=["x"], documents=["a text"]),
                partial(handle.upsert, ids=["x"], embeddings=[vector]),
                partial(handle.update, ids=["w00001"], metadatas=[{"a": 1}]),
                partial(handle.delete, ids=["w00001"]),
                partial(handle.modify, name="mine"),
            ]
        for act in acts:
            try:
                act()
            except SnapshotReadOnly:
                continue
            raise Otherwise(f"{act} is not refused")
        world.check(snapshot.collection, 0)


def embeds_texts_as_it_is_told(world: World, _: Path) -> None:
    """With the function that was given, and never with chromadb's default."""
    from instep.errors import EmbeddingFunctionMissing

    world.be_at(0)
    (wanted,) = {id_ for id_, row in world.contents[0].items() if row[2] == world.vectors[0]}
    with world.open(embedding_function=lambda texts: [world.vectors[0] for _ in texts]) as snapshot:
        for handle in (snapshot.collection, *snapshot.client.list_collections()):
            found = handle.query(query_texts=["anything"], n_results=1)["ids"]
            require(found == [[wanted]], f"a text finds {found}")
    with world.open() as snapshot:
        for handle in (snapshot.collection, *snapshot.client.list_collections()):
            try:
                handle.query(query_texts=["anything"])
            except EmbeddingFunctionMissing:
                continue
            raise Otherwise("a text was embedded with nobody's function")


def closes(world: World, scratch: Path) -> None:
    """Nothing of the copy stays open, and who asks on is told."""
    world.be_at(0)
    snapshot = world.open(directory=scratch)
    snapshot.collection.count()
    snapshot.close()
    still = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    require(not any(place.startswith(str(scratch)) for place in still), "files stay open")
    try:
        snapshot.collection.count()
    except ValueError as error:
        require("closed" in str(error), f"a closed snapshot says {error}")
    else:
        raise Otherwise("a closed snapshot answers")


QUESTIONS: Final = (
    reads_every_version,
    follows_the_head,
    never_answers_half,
    leaves_its_copy_as_it_was_published,
    reads_a_pulled_directory,
    refuses_to_write,
    embeds_texts_as_it_is_told,
    closes,
)


def main(world: World) -> dict[str, Any]:
    """Ask everything; return the release, its schema, and what it failed with which words."""
    found = version("chromadb")
    installed.READERS = frozenset({found})  # type: ignore[misc]  # tried, not accepted yet
    failed: dict[str, str] = {}
    for question in QUESTIONS:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                question(world, Path(scratch))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
                failed[question.__name__] = f"{type(error).__name__}: {error}"[:200]
    return {"release": found, "schema": _schema(), "failed": failed}


def _schema() -> str:
    from instep.chroma.sqlite_wal import schema_of

    with tempfile.TemporaryDirectory() as directory:
        chromadb.PersistentClient(directory)
        return schema_of(Path(directory, "chroma.sqlite3"))


if __name__ == "__main__":
    print(json.dumps(main(World(**json.loads(Path(sys.argv[1]).read_text())))))
