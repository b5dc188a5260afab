"""Any history of writes, folds and rollbacks, by writers that are warm, behind or new: each version
comes out of S3 byte for byte as it was made, and a reader sees in it what the history says.

The full copy is made apart from the code under test: SQLite itself brings the writer's WAL into its
file, a fold's directory is copied while it lies there, and a rollback has its target's bytes. Packs
are small and chains short here, so that a few steps make many of both.
"""

import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instep.chroma.collection import apply, get_collection
from instep.chroma.sqlite_rows import SQLITE
from instep.difference import Addition, Changes, Update
from instep.snapshot.acts import fold as folds
from instep.snapshot.acts import folding, shipping
from instep.snapshot.acts.publish import Staged, publish_unleased
from instep.snapshot.acts.rollback import rollback
from instep.snapshot.acts.staging import put_version
from instep.snapshot.acts.workspace import open_workspace
from instep.snapshot.copy.reader import open_snapshot
from instep.snapshot.copy.store import SnapshotStore
from tests.support.memory import InMemory, Time
from tests.support.snapshots import (
    NAME,
    Seen,
    assert_searched,
    bytes_of,
    names,
    seen_in,
    seen_through,
    vector,
)

Content: TypeAlias = Mapping[str, Seen]
Files: TypeAlias = Mapping[str, bytes]

SOME: Final = st.builds(names, st.integers(1, 60), st.integers(0, 60))  # overlapping runs of ids
NUMBERS: Final = st.integers(0, 9)
WRITERS: Final = st.sampled_from(["one", "another", "new"])
PROFILE: Final = settings()
ACTS: Final = st.one_of(
    st.tuples(st.just("add"), WRITERS, SOME, NUMBERS),
    st.tuples(st.just("label"), WRITERS, SOME, NUMBERS),
    st.tuples(st.just("retell"), WRITERS, SOME, NUMBERS),
    st.tuples(st.just("delete"), WRITERS, SOME),
    st.tuples(st.just("add_in_slices"), WRITERS, SOME, NUMBERS),
    st.tuples(st.just("fold")),
    st.tuples(st.just("roll_back"), NUMBERS),
    st.tuples(st.just("read")),
    st.tuples(st.just("look_back"), NUMBERS),
)


class Life:
    """One collection; `made` and `content` are what each version that was the head must be."""

    def __init__(self, root: Path, words: int) -> None:
        self.root = root
        self.numbers = count()
        self.store = SnapshotStore(InMemory(Time()), NAME)
        self.made: dict[str, Files] = {}
        self.content: dict[str, Content] = {}
        self.head: Content = {}
        self.add("one", names(words), 0)
        self.reader = open_snapshot(self.store.objects, NAME, directory=self.root / "reader")

    def end(self) -> None:
        """Read once more; then a reader's copy is what was published, as a pulled one is."""
        self.read()
        self.reader.close()
        held = self.root / "reader" / NAME / "0" / "data"
        assert published(held) == self.made[self.reader.version]
        self.look_back(0)

    def add(self, writer: str, ids: list[str], seed: int) -> None:
        self.write(writer, additions(ids, seed))

    def add_in_slices(self, writer: str, ids: list[str], seed: int) -> None:
        """A fresh client for each, and the last has to do with what the first brought."""
        labels = {id_: Update({"label": seed}) for id_ in ids}
        half = Changes(deletes=tuple(ids[::2]), updates=labels)
        self.write(writer, additions(ids, seed), additions(ids[1:], seed + 1), half)

    def label(self, writer: str, ids: list[str], number: int) -> None:
        """Of an id that is not there, an update says nothing."""
        self.write(writer, Changes(updates={id_: Update({"label": number}) for id_ in ids}))

    def retell(self, writer: str, ids: list[str], number: int) -> None:
        texts = {id_: Update({"seed": None}, f"told {number} times: {id_}") for id_ in ids}
        self.write(writer, Changes(updates=texts))

    def delete(self, writer: str, ids: list[str]) -> None:
        self.write(writer, Changes(deletes=tuple(ids)))

    def fold(self) -> None:
        files = dict(list(self.made.values())[-1])  # an index that nothing waits for is left alone

        def note(*arguments: Any) -> Staged:
            (folded,) = (self.root / "fold" / "0").glob("instep-scratch-*")
            files.update(published(folded))
            return put_version(*arguments)

        with pytest.MonkeyPatch.context() as seam:
            seam.setattr(folds, "put_version", note)
            staged = folds.fold(self.store, self.root / "fold", "folder", 0)
        publish_unleased(self.store, staged)
        *_, head = self.made.values()
        self.became(staged.version, {**head, **files})  # with nothing pending the index stays

    def roll_back(self, back: int) -> None:
        *earlier, _head = self.made
        if earlier:
            target = earlier[-1 - back % len(earlier)]
            self.head = self.content[target]
            self.became(rollback(self.store, target, "operator").version, self.made[target])

    def read(self) -> None:
        self.reader.refresh()
        *_, head = self.made
        assert self.reader.version == head
        assert seen_through(self.reader.collection) == self.head
        assert_searched(self.reader.collection, self.head)

    def look_back(self, back: int) -> None:
        version = list(self.made)[-1 - back % len(self.made)]
        directory = self.fresh()
        self.store.materialise(version, directory)
        assert bytes_of(directory) == self.made[version]
        assert seen_in(directory) == self.content[version]

    def write(self, writer: str, *slices: Changes) -> None:
        """Publish the changes from a writer's own copy."""
        root = self.fresh() if writer == "new" else self.root / writer
        with open_workspace(self.store, root) as workspace:
            for number, changes in enumerate(slices):
                client = workspace.renew() if number else workspace.client
                apply(get_collection(client, NAME), changes)
                self.head = after(self.head, changes)
            staged = workspace.stage(writer, 0, None, {})
        if staged.changed:
            publish_unleased(self.store, staged)
            *_, head = self.made.values() or [{}]
            main = checkpointed(root / "0" / "data" / SQLITE, self.fresh())
            self.became(staged.version, {**head, SQLITE: main})

    def became(self, version: str | None, files: Files) -> None:
        """This version is the head now, and must be these files, byte for byte."""
        assert version is not None
        self.made[version], self.content[version] = files, self.head
        directory = self.fresh()
        self.store.materialise(version, directory)
        assert bytes_of(directory) == files

    def fresh(self) -> Path:
        return self.root / f"fresh-{next(self.numbers)}"


def additions(ids: list[str], seed: int) -> Changes:
    """New, or written over: the vector and the text follow from the id and the seed."""
    return Changes(
        adds={
            id_: Addition(vector(id_, seed), {"place": id_, "seed": seed}, f"text {seed} of {id_}")
            for id_ in ids
        }
    )


def after(content: Content, changes: Changes) -> Content:
    """What changes make of a collection: deletes, then adds, then updates of what is there."""
    now = {id_: one for id_, one in content.items() if id_ not in changes.deletes}
    for id_, add in changes.adds.items():
        floats: Any = add.embedding
        before = now[id_].metadata if id_ in now else {}
        now[id_] = Seen({**before, **add.metadata}, add.document, tuple(floats))
    for id_, update in changes.updates.items():
        if id_ in now:
            merged = {**now[id_].metadata, **update.metadata}
            now[id_] = replace(
                now[id_],
                metadata={key: value for key, value in merged.items() if value is not None},
                document=update.document or now[id_].document,
            )
    return now


def checkpointed(main: Path, aside: Path) -> bytes:
    """A database with its WAL brought in, by SQLite and not by us, as it is published."""
    aside.mkdir()
    for path in main.parent.glob(f"{main.name}*"):
        if not path.name.endswith("-shm"):
            (aside / path.name).write_bytes(path.read_bytes())
    with closing(sqlite3.connect(aside / main.name)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return published(aside)[main.name]


def published(directory: Path) -> dict[str, bytes]:
    """The files of a directory, the database's header saying that it has no WAL."""
    files = bytes_of(directory)
    main = files[SQLITE]
    return {**files, SQLITE: main[:18] + b"\1\1" + main[20:]}


@pytest.mark.invariant(2)
@pytest.mark.timeout(1200)
@settings(max_examples=PROFILE.max_examples // 5)
@given(words=st.sampled_from([60, 0]), history=st.lists(ACTS, min_size=8, max_size=16))
def test_each_version_comes_out_as_it_was_made(words: int, history: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipping, "PACK_PAGES", 8)
        patch.setattr(folding, "CHAIN_LAYERS", 6)
        life = Life(Path(scratch), words)
        for act, *arguments in history:
            getattr(life, act)(*arguments)
        life.end()
