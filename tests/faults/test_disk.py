"""A disk that is full or fails, and kill -9, at the operations on files of all that works on one:
what fails is told as the machine's, HEAD holds one version whole, and the next run heals it all.

CI meets a sample, the same each time. All of them, and how many there are (half an hour; a work at
a time, with `-k "fold"`): `pytest --hypothesis-profile=deep -s tests/faults/test_disk.py`
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Final, TypeVar

import pytest

from instep.snapshot.acts import folding
from instep.snapshot.acts.folding import needs_fold
from instep.snapshot.format.head import Head
from tests.support.deep import DEEP
from tests.support.disk_works import WORKS, Content, Work, begin, left_on_disk
from tests.support.file_operations import TROUBLES, Done, Operations, files_bounded, turns, watched
from tests.support.kills import Moment, killed, measured
from tests.support.processes import shared_world, world_at
from tests.support.snapshots import World, a_world

SAMPLE: Final = 1
SEED: Final = 16
BLOCK: Final = 4096
BEYOND: Final = 96 * BLOCK  # hardly a file here is larger
LAYERS: Final = 16  # then a fold is due: a thousand runs would work on ever more pages
T = TypeVar("T")


@dataclass
class Played:
    """A world in which works are done again and again, each time another number of it; what a
    reader sees there, and what such works leave on the disk.
    """

    world: World
    numbers: Iterator[int] = field(default_factory=count)
    content: Content = field(default_factory=dict)
    trials: int = 0
    _head: Head | None = None

    def begins(self, work: Work) -> set[str]:
        """Do a work twice: what it leaves on the disk then is what it always leaves."""
        self.content, self._head = self.world.seen(), self.world.store.head()
        self.does(work)
        self.does(work)
        return self.left()

    def does(self, work: Work) -> None:
        """Do it in peace: it is done, all of it."""
        number = next(self.numbers)
        work.run(self.world, number)
        expected = work.leads_to(self.world, self.content, number)
        assert self.seen() == expected

    def endures(self, work: Work, trouble: Callable[[int], object], usual: set[str]) -> None:
        """Let there be trouble: a reader sees it done, or not begun; the next one heals it all."""
        number = next(self.numbers)
        done = work.leads_to(self.world, self.content, number)
        before = self.content
        trouble(number)
        assert self.seen() in (before, done)
        self.does(work)
        assert self.left() == usual
        self.trials += 1
        if needs_fold(self.world.manifest()):
            self.world.fold()
            self.does(work)
            usual.clear()  # of an imported collection, a fold before the import left another index
            usual |= self.left()

    def ends(self) -> int:
        """See all anew; return how many troubles there were since the last end."""
        assert self.world.seen() == self.content
        trials, self.trials = self.trials, 0
        return trials

    def seen(self) -> Content:
        """What a reader sees: the same while HEAD is, for what that names never changes."""
        head = self.world.store.head()
        if head != self._head:
            self.content, self._head = self.world.seen(), head
        return self.content

    def left(self) -> set[str]:
        return left_on_disk(self.world)


@pytest.fixture(scope="module", autouse=True)
def short_chains() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "CHAIN_LAYERS", LAYERS)
        yield


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """On moto, in this process."""
    with a_world(tmp_path_factory.mktemp("here")) as world:
        begin(world)
        yield Played(world)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Played, str]]:
    """On a cloud that outlives a process."""
    with shared_world(tmp_path_factory.mktemp("there")) as (world, endpoint):
        begin(world)
        yield Played(world), endpoint


def some(choices: Sequence[T]) -> list[T]:
    """In CI, some of them; with Hypothesis's deep profile all."""
    return until_one_is_met(choices)[: None if DEEP else SAMPLE]


def until_one_is_met(choices: Sequence[T]) -> list[T]:
    """All of them, in an order in which CI stops at the first that meets what it is for: a fold
    ships from two threads, so an operation does not come at the same turn each time.
    """
    return list(choices) if DEEP else Random(SEED).sample(choices, len(choices))  # noqa: S311


def run(played: Played, work: Work, number: int) -> None:
    """Any error but the named ones goes up: those are what the workflow tries again."""
    with suppress(*work.tells):
        work.run(played.world, number)


# -- a disk that fails


@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("name", WORKS)
def test_a_failing_disk_is_told_as_the_machines_and_the_next_run_heals(
    here: Played, name: str
) -> None:
    work, root = WORKS[name], here.world.scratch
    usual = here.begins(work)
    with watched(Operations(root)) as operations:
        work.run(here.world, next(here.numbers))
    here.seen()
    for trouble in TROUBLES:
        can_meet = turns(done for done in operations.done if trouble.can_meet(done.name))
        met: set[Done] = set()
        for at in until_one_is_met(can_meet):
            meeting = Operations(root, at, trouble)
            here.endures(work, partial(fails, here, work, meeting), usual)
            met |= {at.done} if meeting.struck else set()
            if met and not DEEP:
                break
        places = {at.done for at in can_meet} if DEEP else met
        assert met
        assert met >= places, f"not met: {places - met}"
        print(f"{name}: {trouble} met {len(can_meet)} operations, at {len(places)} places")
    for size in some(range(0, BEYOND, BLOCK)):  # of chromadb's and SQLite's own writes too
        here.endures(work, partial(bounded, here, work, size), usual)
    print(f"{name}: {len(operations.done)} operations on files, {here.ends()} times in trouble")


def fails(played: Played, work: Work, meeting: Operations, number: int) -> None:
    with watched(meeting):
        run(played, work, number)


def bounded(played: Played, work: Work, size: int, number: int) -> None:
    with files_bounded(size):
        run(played, work, number)


# -- a process that dies


def work_of(endpoint: str, scratch: Path, name: str, number: int) -> Callable[[], None]:
    """What the child does."""
    world = world_at(endpoint, scratch)

    def work() -> None:
        WORKS[name].run(world, number)

    return work


@pytest.mark.timeout(4 * 3600)
@pytest.mark.invariant(1)
@pytest.mark.invariant(2)
@pytest.mark.parametrize("name", WORKS)
def test_a_kill_leaves_head_whole_and_nothing_on_the_disk(
    there: tuple[Played, str], name: str
) -> None:
    played, endpoint = there
    root, usual = played.world.scratch, played.begins(WORKS[name])
    length = measured(work_of, endpoint, root, name, next(played.numbers))
    played.seen()
    moments = [Moment(size=size) for size in some(range(0, BEYOND, BLOCK))]
    moments += [Moment(operation=at) for at in until_one_is_met(length.operations)]
    deaths: list[bool] = []
    for moment in moments:

        def dies(number: int, moment: Moment = moment) -> None:
            deaths.append(killed(work_of, endpoint, root, name, number, at=moment))

        played.endures(WORKS[name], dies, usual)
        if moment.operation is not None and deaths[-1] and not DEEP:
            break
    print(f"{name}: {len(length.operations)} operations on files, {sum(deaths)} deaths", end="")
    print(f" in {played.ends()} times in trouble")
    assert any(deaths)
