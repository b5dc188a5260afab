"""kill -9 at moments of a run and its fold, one after the other on the same folders: HEAD is whole
each time, and what the dead process left behind is recovered or dropped by the next run.

Twenty moments in CI; fifty by `pytest --hypothesis-profile=deep tests/faults/test_kills.py`.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, TypeAlias

import pytest

from instep.chroma import sqlite_wal
from instep.chroma.sqlite_rows import SQLITE
from instep.snapshot.copy.claim import MARK
from instep.snapshot.format.pages import file_digest
from tests.support.deep import DEEP
from tests.support.kills import Length, Moment, killed, measured
from tests.support.processes import shared_world, world_at
from tests.support.snapshots import Act, Seen, World, adds, deletes, names, updates, vector

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

COUNTED: Final = 40 if DEEP else 16
TIMED: Final = 10 if DEEP else 4
WORDS: Final = names(120)
LABELLED: Final = WORDS[110:]
SEED: Final = 10
Content: TypeAlias = dict[str, Seen]


def new(number: int) -> str:
    return f"x{number:04d}"


def change(number: int) -> Act:
    """Label some words, add one, take one out."""

    def act(collection: "Collection") -> None:
        updates(LABELLED, label=number)(collection)
        deletes([WORDS[number]])(collection)
        adds([new(number)])(collection)

    return act


def changed(content: Content, number: int) -> Content:
    """What a reader sees once the change is there."""
    labelled = {
        id_: replace(content[id_], metadata={**content[id_].metadata, "label": number})
        for id_ in LABELLED
    }
    kept = {id_: one for id_, one in content.items() if id_ != WORDS[number]}
    one = Seen({"place": new(number)}, f"text of {new(number)}", tuple(vector(new(number))))
    return {**kept, **labelled, new(number): one}


def run_and_fold(endpoint: str, scratch: Path, number: int) -> Callable[[], None]:
    """What the child does: a run, and the fold after it, in the folders of the world."""
    world = world_at(endpoint, scratch)

    def work() -> None:
        world.write(change(number))
        world.fold()

    return work


def moments(length: Length) -> list[Moment]:
    """Spread over the run, one at random in each equal part of it."""
    random = Random(SEED)  # noqa: S311 - the same moments in every run of the test
    counted = [
        Moment(line=1 + int(length.lines * (at + random.random()) / COUNTED))
        for at in range(COUNTED)
    ]
    timed = [
        Moment(seconds=0.6 * length.seconds * (at + random.random()) / TIMED) for at in range(TIMED)
    ]
    chosen = counted + timed
    random.shuffle(chosen)
    return chosen


@pytest.mark.timeout(600)
@pytest.mark.invariant(1)
@pytest.mark.invariant(2)
def test_a_kill_at_any_moment_leaves_head_whole_and_the_next_run_heals(tmp_path: Path) -> None:
    with shared_world(tmp_path) as (world, endpoint):
        world.write(adds(WORDS))
        length = measured(run_and_fold, endpoint, tmp_path, 0)
        deaths, content = 0, world.seen()
        for number, moment in enumerate(moments(length)):
            dies, heals = 2 * number + 1, 2 * number + 2
            deaths += killed(run_and_fold, endpoint, tmp_path, dies, at=moment)
            left = world.seen()
            assert left in (content, changed(content, dies)), moment
            world.write(change(heals))
            content = world.seen()
            assert content == changed(left, heals), f"{moment}: nothing of the dead run, but all"
        assert deaths > COUNTED
        world.fold()
        copies_are_tidy(world)


def copies_are_tidy(world: World) -> None:
    """One copy for each kind of work, of the head, byte for byte, and nothing beside it."""
    world.stage(lambda _: None)
    for root, hashes in ((world.warm, {"hashes"}), (world.scratch / "fold", set())):
        assert [path.name for path in root.iterdir()] == ["0"]
        kept = {path.name for path in (root / "0").iterdir()}
        assert kept == {MARK, "data", "state.json", *hashes}
    data = world.warm / "0" / "data"
    assert [path.name for path in data.iterdir()] == [SQLITE]
    digest = file_digest(data / SQLITE, sqlite_wal.normal_page)
    assert digest == world.manifest().files[SQLITE].digest
