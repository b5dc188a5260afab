"""A snapshot in several threads: it moves in turns, never back, and closed it is closed."""

import tempfile
from pathlib import Path
from threading import Event, Lock, Thread

import pytest

from instep.chroma.collection import read
from instep.chroma.sqlite_rows import SQLITE
from instep.errors import ConfigurationMissing, VersionRejected
from instep.snapshot.copy.reader import Snapshot, open_snapshot
from instep.snapshot.copy.turn import Turn
from tests.support.snapshots import NAME, World, adds, names, scribble, seen_through, updates


class Slow(Thread):
    """A refresh in a thread of its own, that stands still before each pack is used."""

    def __init__(self, snapshot: Snapshot, over: Event | None = None) -> None:
        super().__init__()
        self._snapshot, self._over = snapshot, over or Event()
        self.fetching, self.may = Event(), Event()
        self.outcome: object = None

    def run(self) -> None:
        try:
            self.outcome = self._snapshot.refresh(self._tell)
        except ValueError as error:
            self.outcome = error
        self._over.set()

    def _tell(self, _done: int, _total: int) -> None:
        self.fetching.set()
        assert self.may.wait(60)


class Asked:
    """A lock that tells when somebody has to wait for it."""

    def __init__(self, told: Event) -> None:
        self._lock, self._told = Lock(), told

    def __enter__(self) -> None:
        if self._lock.locked():
            self._told.set()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@pytest.mark.invariant(5)
def test_two_refreshes_leave_the_snapshot_at_the_newer_version(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(adds(names(60)))
    directory, waits_or_is_over = world.fresh_directory(), Event()
    monkeypatch.setattr("instep.snapshot.copy.turn.Lock", lambda: Asked(waits_or_is_over))
    with open_snapshot(world.store.objects, NAME, directory=directory) as snapshot:
        world.write(updates(names(20), place="ONE"))
        slow = Slow(snapshot)
        slow.start()
        assert slow.fetching.wait(60)
        world.write(updates(names(40, 10), place="TWO"))
        quick = Slow(snapshot, waits_or_is_over)
        quick.may.set()
        quick.start()
        assert waits_or_is_over.wait(60)
        slow.may.set()
        slow.join()
        quick.join()
        assert (slow.outcome, quick.outcome) == (True, True)
        assert snapshot.version == world.version()
        assert seen_through(snapshot.collection) == world.seen()
    with open_snapshot(world.store.objects, NAME, directory=directory) as snapshot:
        assert seen_through(snapshot.collection) == world.seen()


def test_the_second_of_two_refreshes_finds_itself_at_the_head(world: World) -> None:
    world.write(adds(names(20)))
    with open_snapshot(world.store.objects, NAME) as snapshot:
        world.write(updates(names(20), colour="red"))
        slow, quick = Slow(snapshot), Slow(snapshot)
        slow.start()
        assert slow.fetching.wait(60)
        quick.start()
        slow.may.set()
        slow.join()
        quick.join()
        assert (slow.outcome, quick.outcome) == (True, False)


def test_a_closed_snapshot_is_as_a_closed_file(world: World) -> None:
    first = world.write(adds(names(40))).version
    directory = world.fresh_directory()
    closed = open_snapshot(world.store.objects, NAME, directory=directory)
    closed.close()
    closed.close()
    with open_snapshot(world.store.objects, NAME, at=first, directory=directory) as other:
        before = seen_through(other.collection)
        world.write(updates(names(20), place="NEW"))
        for act in (closed.refresh, closed.collection.count, closed.client.list_collections):
            with pytest.raises(ValueError, match="closed"):
                act()
        assert closed.version == first
        assert seen_through(other.collection) == before


def test_a_pinned_snapshot_that_is_closed_says_so_too(world: World) -> None:
    first = world.write(adds(names(2))).version
    snapshot = open_snapshot(world.store.objects, NAME, at=first)
    snapshot.close()
    with pytest.raises(ValueError, match="closed"):
        snapshot.refresh()


def test_a_close_ends_the_refresh_that_fetches(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(world.fresh_directory()))
    Path(tempfile.gettempdir()).mkdir()
    world.write(adds(names(20)))
    snapshot = open_snapshot(world.store.objects, NAME)
    world.write(updates(names(20), colour="red"))
    world.write(updates(names(20), colour="blue"))
    ended, end = Event(), Turn.end

    def tell(turn: Turn) -> None:
        end(turn)
        ended.set()

    monkeypatch.setattr(Turn, "end", tell)
    slow = Slow(snapshot)
    slow.start()
    assert slow.fetching.wait(60)
    closing = Thread(target=snapshot.close)
    closing.start()
    assert ended.wait(60)
    slow.may.set()  # the first of two packs
    slow.join()
    closing.join()
    assert isinstance(slow.outcome, ValueError)
    with pytest.raises(ValueError, match="closed"):
        snapshot.refresh()
    assert list(Path(tempfile.gettempdir()).iterdir()) == []


def test_a_refresh_is_not_closed_or_refreshed_from_inside(world: World) -> None:
    world.write(adds(names(20)))
    with open_snapshot(world.store.objects, NAME) as snapshot:
        version = snapshot.version
        world.write(updates(names(20), colour="red"))
        for act in (snapshot.close, snapshot.refresh):
            with pytest.raises(RuntimeError, match="raise an error"):
                snapshot.refresh(lambda _done, _total, act=act: act())  # type: ignore[misc]
        assert snapshot.version == version
        assert snapshot.refresh() is True


@pytest.mark.invariant(5)
def test_what_is_written_into_the_copy_while_it_fetches_is_gone_too(world: World) -> None:
    """What was fetched was for the copy as it was: it is not put onto another."""
    world.write(adds(names(300)))
    directory = world.fresh_directory()
    with open_snapshot(world.store.objects, NAME, directory=directory) as snapshot:
        world.write(updates(names(3), colour="red"))

        def write(_done: int, _total: int) -> None:
            scribble(directory / NAME / "0" / "data" / SQLITE)
            assert "mine" in snapshot.collection.get(ids=["w00100"])["documents"]  # type: ignore[operator]

        assert snapshot.refresh(write) is True
        assert seen_through(snapshot.collection) == world.seen()


def test_an_error_while_a_version_is_put_in_place_closes_the_snapshot(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(adds(names(20)))
    directory = world.fresh_directory()
    snapshot = open_snapshot(world.store.objects, NAME, directory=directory)
    world.write(updates(names(20), colour="red"))

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("instep.snapshot.copy.warm.write_pages", refuse)
        with pytest.raises(ConfigurationMissing, match="No space left on device"):
            snapshot.refresh()
    for act in (snapshot.refresh, snapshot.collection.count):
        with pytest.raises(ValueError, match="closed"):
            act()
    with open_snapshot(world.store.objects, NAME, directory=directory) as again:
        assert read(again.collection)["w00001"].metadata["colour"] == "red"


@pytest.mark.parametrize("pinned", [True, False])
def test_a_version_that_is_swept_while_it_is_fetched_is_not_called_corrupt(
    world: World, pinned: bool
) -> None:
    first = world.write(adds(names(2))).version
    store = world.store
    find = store.objects.find

    def sweep_first(key: str, limit: int | None = None) -> object:
        """The reader has read what names the next object, and pauses for longer than retention."""
        if "/packs/" in key or (not pinned and "/versions/" in key):
            store.objects.find = find  # type: ignore[method-assign]
            world.write(adds(names(20, 100)))
            gone = world.store.manifest(first).packs() if pinned else ()
            store.objects.delete([store.manifest_key(first), *map(store.pack_key, gone)])
        return find(key, limit)

    store.objects.find = sweep_first  # type: ignore[method-assign, assignment]
    with pytest.raises(VersionRejected, match=r"swept|sweep") as caught:
        open_snapshot(store.objects, NAME, at=first if pinned else None)
    assert "rollback" not in str(caught.value)
    if not pinned:
        with open_snapshot(store.objects, NAME) as snapshot:
            assert len(seen_through(snapshot.collection)) == 22
