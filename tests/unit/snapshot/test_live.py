"""A reader that stays open: refreshed in place between two calls, and what that leans on."""

from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from instep.chroma.collection import close_client, open_client, read
from instep.chroma.sqlite_rows import SQLITE, page_of_opens
from instep.snapshot.copy.live import Live
from instep.snapshot.copy.pulled import pull
from instep.snapshot.copy.reader import open_snapshot
from instep.snapshot.copy.warm import WarmCopy
from instep.snapshot.format.pages import changed
from tests.support.snapshots import (
    NAME,
    Act,
    World,
    adds,
    bytes_of,
    deletes,
    names,
    pulled_bytes,
    scribble,
    seen_through,
    updates,
    vector,
)

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

LOADED = 300


def search(collection: "Collection") -> list[str]:
    """A query, which loads the index into memory."""
    found = collection.query(query_embeddings=[vector("w00007")], n_results=3)  # type: ignore[arg-type]
    return found["ids"][0]


def test_handles_taken_before_a_refresh_read_the_new_version(world: World) -> None:
    steps: list[Act] = [
        updates(names(200), colour="red"),  # rows alone: in place
        adds(names(5, LOADED)),  # vectors: chromadb reads its files anew
        deletes(names(3)),
        updates(names(50, 10), colour="blue", size=1.5),
    ]
    world.write(adds(names(LOADED)))
    with open_snapshot(world.store.objects, NAME, directory=world.fresh_directory()) as snapshot:
        taken = snapshot.collection
        for step in steps:
            assert len(search(taken)) == 3
            world.write(step)
            assert snapshot.refresh() is True
            assert seen_through(taken) == seen_through(snapshot.collection) == world.seen()


@pytest.mark.invariant(5)
def test_a_call_of_another_thread_sees_one_version_whole(world: World) -> None:
    world.write(adds(names(LOADED), round=0))
    seen: list[int] = []
    done = Event()
    with open_snapshot(world.store.objects, NAME, directory=world.fresh_directory()) as snapshot:

        def reader() -> None:
            while not done.is_set():
                rounds = {one.metadata["round"] for one in read(snapshot.collection).values()}
                assert len(rounds) == 1
                seen.append(int(rounds.pop()))  # type: ignore[arg-type]

        threads = [Thread(target=reader) for _ in range(2)]
        for thread in threads:
            thread.start()
        for number in range(1, 6):
            world.write(updates(names(LOADED), round=number))
            assert snapshot.refresh() is True
        done.set()
        for thread in threads:
            thread.join()
        assert {one.metadata["round"] for one in read(snapshot.collection).values()} == {5}
    assert set(seen) <= set(range(6))
    assert seen


def test_a_reader_that_was_killed_left_a_copy_that_is_good(world: World, tmp_path: Path) -> None:
    world.write(adds(names(LOADED)))
    copy, manifest = WarmCopy(tmp_path / "copy"), world.manifest()
    copy.bring_to(world.store, manifest, frozenset(manifest.files))
    live = Live(copy)
    client = open_client(copy.data)
    live.settle()
    close_client(client)  # and nothing after it: so a death leaves the files
    store = world.store
    again = WarmCopy(tmp_path / "copy")
    again.bring_to(store, manifest, frozenset(manifest.files))
    assert store.objects.traffic.requests == 0
    pull(store.objects, NAME, tmp_path / "pulled")
    assert bytes_of(again.data) == pulled_bytes(tmp_path / "pulled")


def test_what_somebody_wrote_into_the_copy_is_gone_with_the_refresh(world: World) -> None:
    world.write(adds(names(LOADED)))
    directory = world.fresh_directory()
    with open_snapshot(world.store.objects, NAME, directory=directory) as snapshot:
        scribble(directory / NAME / "0" / "data" / SQLITE)
        world.write(updates(names(3), colour="red"))
        assert snapshot.refresh() is True
        assert seen_through(snapshot.collection) == world.seen()


def test_an_open_writes_two_pages_and_reads_write_none(world: World, tmp_path: Path) -> None:
    world.write(adds(names(LOADED)))
    world.write(updates(names(20), colour="red"))
    before, after = tmp_path / "before", tmp_path / "after"
    for directory in (before, after):
        pull(world.store.objects, NAME, directory)
    for _ in range(3):
        client = open_client(after)
        opened = bytes_of(after)[SQLITE]
        collection = client.get_collection(NAME, embedding_function=None)
        assert len(search(collection)) == 3  # 300 vectors are pending: it replays them
        assert collection.get(where={"colour": "red"}, limit=5)["ids"]
        assert bytes_of(after)[SQLITE] == opened
        close_client(client)
    written = changed(before / SQLITE, after / SQLITE)
    assert set(written) == {1, page_of_opens(after / SQLITE)}
    first = bytes_of(before)[SQLITE][:4096]
    counters = {at for at, byte in enumerate(written[1]) if byte != first[at]}
    assert counters <= {*range(24, 28), *range(92, 100)}, "its counters, and the writing SQLite's"
