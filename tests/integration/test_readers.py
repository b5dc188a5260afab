"""Readers in processes of their own, on one bucket and one folder, while a writer publishes."""

import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import pytest

from instep.snapshot.copy.pulled import pull
from instep.snapshot.copy.reader import open_snapshot
from tests.support.kills import Moment, Run, killed, measured
from tests.support.processes import FORKED, shared_world, world_at
from tests.support.snapshots import NAME, World, adds, names, seen_in, seen_through, updates

READERS: Final = 3
VERSIONS: Final = 4
WORDS: Final = names(40)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    scratch = tmp_path_factory.mktemp("readers")
    with shared_world(scratch) as made:
        made[0].write(adds(WORDS, run=0))
        yield made


def follow(endpoint: str, folder: Path, go: Connection) -> None:
    """Refresh and read until told to end; send what was ever seen, or what went wrong."""
    world, seen = world_at(endpoint, folder), set()
    with open_snapshot(world.store.objects, NAME, directory=folder / "copies") as snapshot:
        go.send("open")
        more = True
        while more:
            more = not go.poll(0)
            snapshot.refresh()
            found = seen_through(snapshot.collection)
            seen.add(
                (snapshot.version, len(found), *{one.metadata["run"] for one in found.values()})
            )
    go.send(sorted(seen))


@pytest.mark.invariant(5)
def test_every_process_sees_whole_versions_through_one_folder(
    shared: tuple[World, str], tmp_path: Path
) -> None:
    world, endpoint = shared
    published = {world.version(): 0}
    pipes, children = [], []
    for _ in range(READERS):
        ours, theirs = multiprocessing.Pipe()
        child = FORKED.Process(target=follow, args=(endpoint, tmp_path, theirs), daemon=True)
        child.start()
        pipes.append(ours)
        children.append(child)
    assert [pipe.recv() for pipe in pipes] == ["open"] * READERS
    assert len(list((tmp_path / "copies" / NAME).iterdir())) == READERS  # a copy each
    for run in range(1, VERSIONS + 1):
        world.write(updates(WORDS, run=run))
        published[world.version()] = run
    for pipe in pipes:
        pipe.send("end")
    for pipe, child in zip(pipes, children, strict=True):
        seen = pipe.recv()
        child.join()
        for version, count, *runs in seen:
            assert (count, runs) == (len(WORDS), [published[version]])
        assert world.version() in {version for version, *_ in seen}
    with open_snapshot(world.store.objects, NAME, directory=tmp_path / "copies"):
        copies = [path.name for path in (tmp_path / "copies" / NAME).iterdir()]
        assert len(copies) == 1  # disk use follows who reads now


def pulling(endpoint: str, folder: Path) -> Callable[[], None]:
    """What a child does that is killed: `instep pull`."""
    world = world_at(endpoint, folder)

    def work() -> None:
        pull(world.store.objects, NAME, folder / "pulled")

    return work


def opening(endpoint: str, folder: Path) -> Callable[[], None]:
    """The same, as a reader that keeps its copy."""
    world = world_at(endpoint, folder)
    return lambda: open_snapshot(world.store.objects, NAME, directory=folder / "copies").close()


def die_at(part: float, run: Run, endpoint: str, folder: Path) -> None:
    """Let a child end when it has visited so much of the lines that it would."""
    lines = measured(run, endpoint, folder / "measured").lines
    assert killed(run, endpoint, folder / "killed", at=Moment(line=int(part * lines)))


@pytest.mark.parametrize("part", [0.5, 0.8, 0.95])
def test_a_pull_that_was_killed_leaves_no_half_copy_and_no_waste(
    shared: tuple[World, str], tmp_path: Path, part: float
) -> None:
    world, endpoint = shared
    die_at(part, pulling, endpoint, tmp_path)
    pulled = tmp_path / "killed" / "pulled"
    assert not pulled.exists()
    pull(world.store.objects, NAME, pulled)
    assert len(seen_in(pulled)) == len(WORDS)
    assert [path.name for path in pulled.parent.iterdir()] == ["pulled"]


@pytest.mark.parametrize("part", [0.5, 0.8, 0.95])
def test_a_reader_that_was_killed_is_in_nobodys_way(
    shared: tuple[World, str], tmp_path: Path, part: float
) -> None:
    world, endpoint = shared
    die_at(part, opening, endpoint, tmp_path)
    copies = tmp_path / "killed" / "copies"
    with open_snapshot(world.store.objects, NAME, directory=copies) as snapshot:
        assert seen_through(snapshot.collection) == world.seen()
        assert [path.name for path in (copies / NAME).iterdir()] == ["0"]
