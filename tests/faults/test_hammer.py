"""Eight compactors in processes of their own hammer one collection: every acknowledged change is
there, the versions form one chain, and who reads meanwhile never sees half a version.

Six take turns by the lease; two mind no lease at all, as after a lock table edited by hand, so that
the compare-and-swap has work to do. Eighty changes in CI, two hundred with the deep profile.
"""

from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Condition
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from instep.errors import LockBusy, SnapshotConflict
from instep.flow.lease import Lease
from instep.snapshot.acts.fold import fold
from instep.snapshot.acts.publish import publish, publish_unleased
from instep.snapshot.copy.reader import open_snapshot
from tests.support.deep import DEEP
from tests.support.processes import FORKED, shared_world, world_at
from tests.support.snapshots import NAME, Act, World, adds, names, updates

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

PUBLISHES: Final = 200 if DEEP else 80
COMPACTORS: Final = 8
UNLEASED: Final = 2  # of them
TWINS: Final = names(2)  # carry the same number in every version


def word(number: int) -> str:
    return f"x{number:04d}"


def change(number: int) -> Act:
    """A word of this number, and the number on the twins."""

    def act(collection: "Collection") -> None:
        adds([word(number)])(collection)
        updates(TWINS, last=number)(collection)

    return act


class Compactor:
    """What one process does; `published` is what it was told it has published."""

    def __init__(self, world: World, owner: str, freed: Condition) -> None:
        self.published: list[str] = []
        self._world = world
        self._owner = owner
        self._freed = freed

    def unleased(self, number: int) -> None:
        """Publish a change by the compare-and-swap alone."""
        staged = self._world.stage(change(number), token=0)
        self.published.append(publish_unleased(self._world.store, staged).version)

    def leased(self, number: int) -> None:
        """Publish a change as a run does, and fold when that is due."""
        lease = self._acquire()
        try:
            staged = self._world.stage(change(number), token=lease.fencing_token)
            done = publish(self._world.store, staged, lease, self._world.leases)
            self.published.append(done.version)
            if done.fold:
                self._fold(lease)
        finally:
            self._world.leases.release(lease)
            with self._freed:
                self._freed.notify()

    def _acquire(self) -> Lease:
        while True:
            with self._freed:
                try:
                    return self._world.lease(self._owner)
                except LockBusy:
                    self._freed.wait(1)

    def _fold(self, lease: Lease) -> None:
        world = self._world
        staged = fold(world.store, world.scratch / "fold", self._owner, lease.fencing_token)
        try:
            done = publish(world.store, staged, lease, world.leases)
        except SnapshotConflict:
            return  # the next run is told again that a fold is due
        self.published.append(done.version)


def compact(
    endpoint: str, scratch: Path, me: int, changes: int, freed: Condition, report: Connection
) -> None:
    """Publish a share of the changes, each however often it takes; report what was published."""
    compactor = Compactor(world_at(endpoint, scratch / str(me)), f"compactor-{me}", freed)
    act = compactor.unleased if me < UNLEASED else compactor.leased
    for number in range(me, changes, COMPACTORS):
        while True:
            try:
                act(number)
            except SnapshotConflict:
                continue
            break
    report.send(compactor.published)


@pytest.mark.timeout(600)
@pytest.mark.invariant(1)
@pytest.mark.invariant(3)
@pytest.mark.invariant(5)
def test_publishes_by_eight_compactors(tmp_path: Path) -> None:
    with shared_world(tmp_path) as (world, endpoint):
        first = world.write(adds(TWINS)).version
        freed = FORKED.Condition()
        reports, processes = [], []
        for me in range(COMPACTORS):
            receiver, sender = FORKED.Pipe(duplex=False)
            arguments = (endpoint, tmp_path, me, PUBLISHES, freed, sender)
            processes.append(FORKED.Process(target=compact, args=arguments, daemon=True))
            processes[-1].start()
            sender.close()
            reports.append(receiver)
        read_while(world, processes)
        published = [version for report in reports for version in report.recv()]
        assert len(published) >= PUBLISHES
        assert set(world.seen()) == {*TWINS, *map(word, range(PUBLISHES))}
        chain = versions_back_from_head(world)
        assert sorted(chain) == sorted([first, *published])


def read_while(world: World, processes: list[ForkServerProcess]) -> None:
    """Follow the head: the twins always agree, and every word is there that ever was."""
    held: set[str] = set()
    works = [process.sentinel for process in processes]
    with open_snapshot(world.store.objects, NAME, directory=world.scratch / "reader") as snapshot:
        while len(wait(works, timeout=0.5)) < len(works):
            if not snapshot.refresh():
                continue
            got = snapshot.collection.get(ids=TWINS)["metadatas"] or []
            assert len({row.get("last") for row in got}) == 1
            now = set(snapshot.collection.get(include=[])["ids"])
            assert held <= now
            held = now


def versions_back_from_head(world: World) -> list[str]:
    chain, version = [], world.version()
    while version is not None:
        chain.append(version)
        version = world.store.manifest(version).parent
    return chain
