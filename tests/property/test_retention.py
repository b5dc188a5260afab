"""Whatever is staged, published, folded, rolled back and swept, at whatever call a rival cuts in or
a sweep dies: HEAD is whole, and so is all that retention promises; and the rest goes in the end.

The model is the list of versions that were the head; the engine's own code runs over a bucket in
memory. Only the time between a pack and its manifest is bounded, as a function's is by Lambda.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from instep.errors import SnapshotConflict, VersionRejected
from instep.snapshot.acts.publish import Staged, publish_unleased
from instep.snapshot.acts.retention import GRACE, Retention
from instep.snapshot.acts.rollback import rollback
from instep.snapshot.acts.sweep import sweep
from instep.snapshot.copy.inventory import missing_packs
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.manifest import Manifest
from tests.support.deaths import ProcessDied
from tests.support.memory import InMemory, Time, stage_pack

HOURS = st.integers(0, 60).map(lambda hours: timedelta(hours=hours))
BESIDE_A_STAGE = ["publish", "roll back", "sweep", "die"]
BESIDE_A_ROLLBACK = ["sweep", "wait", "publish", "die"]
BESIDE_A_SWEEP = ["roll back", "publish", "fold", "wait", "die"]


class Collection(RuleBasedStateMachine):
    """One collection, its operators and its writers, some of whom pause for days."""

    @initialize(versions=st.integers(1, 3), age=HOURS)
    def begin(self, versions: int, age: timedelta) -> None:
        self.time = Time()
        self.objects = InMemory(self.time)
        self.store = SnapshotStore(self.objects, "words", self.time)
        self.retention = Retention(versions, age)
        self.heads: list[str] = []
        self.paused: list[Staged] = []
        self.numbers: Iterator[int] = count()

    @rule(fold=st.booleans(), data=st.data())
    def stage(self, fold: bool, data: st.DataObject) -> None:
        with self.rivals(data, BESIDE_A_STAGE):
            self._stage(fold=fold)

    @precondition(lambda self: self.paused)
    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        self._publish(data)

    @precondition(lambda self: self.heads)
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        version = self._any_head(data)
        with self.rivals(data, BESIDE_A_ROLLBACK), suppress(VersionRejected, SnapshotConflict):
            self._roll_back(version)

    @rule(span=HOURS)
    def wait(self, span: timedelta) -> None:
        self.time.passes(span)

    @rule(data=st.data())
    def sweep(self, data: st.DataObject) -> None:
        with self.rivals(data, BESIDE_A_SWEEP):
            sweep(self.store, self.retention)

    @rule()
    def the_rest_goes(self) -> None:
        self.time.passes(GRACE)
        promised = {sweep(self.store, self.retention, dry_run=True).versions, self._let_go()}
        assert len(promised) == 1
        swept = sweep(self.store, self.retention)
        left = {entry.key.rpartition("/")[2] for entry in self.store.all_packs()}
        named = {name for one in self._versions() for name in one.packs()}
        assert left == named & left
        assert (swept.versions_kept, swept.packs_kept) == (len(self._versions()), len(left))
        again = sweep(self.store, self.retention)
        assert (again.versions, again.packs, again.bytes) == ((), 0, 0)

    @invariant()
    def what_is_promised_is_whole(self) -> None:
        if not hasattr(self, "heads"):
            return
        head = self.store.head()
        assert (head.version if head else None) == (self.heads[-1] if self.heads else None)
        for version in self._kept():
            assert missing_packs(self.store, self.store.manifest(version)) == set()

    @contextmanager
    def rivals(self, data: st.DataObject, names: list[str]) -> Iterator[None]:
        """Before every call of the block somebody may act; a death ends the block."""

        def before(act: str) -> None:
            name = data.draw(st.sampled_from([*["nobody"] * len(names), *names]), label=act)
            if name == "die":
                raise ProcessDied(act)
            self.objects.before = lambda _: None
            try:
                self._act(name, data)
            finally:
                self.objects.before = before

        self.objects.before = before
        try:
            yield
        except ProcessDied:
            pass
        finally:
            self.objects.before = lambda _: None
            self._look_at_head()

    def _act(self, name: str, data: st.DataObject) -> None:
        if name in {"stage", "fold"}:
            self._stage(fold=name == "fold")
        elif name == "publish" and self.paused:
            self._publish(data)
        elif name == "roll back" and self.heads:
            with suppress(VersionRejected):
                self._roll_back(self._any_head(data))
        elif name == "wait":
            self.time.passes(data.draw(HOURS))
        elif name == "sweep":
            sweep(self.store, self.retention)
        self._look_at_head()

    def _stage(self, *, fold: bool) -> None:
        self.paused.append(stage_pack(self.store, b"%d" % next(self.numbers), fold=fold))

    def _publish(self, data: st.DataObject) -> None:
        staged = data.draw(st.sampled_from(self.paused))
        self.paused.remove(staged)
        with suppress(SnapshotConflict):
            publish_unleased(self.store, staged)
        self._look_at_head()

    def _any_head(self, data: st.DataObject) -> str:
        """Draw a version that was the head and, if possible, was not swept."""
        there = {one.version for one in self._versions()}
        return data.draw(st.sampled_from([one for one in self.heads if one in there] or self.heads))

    def _roll_back(self, version: str) -> None:
        done = rollback(self.store, version, "operator")
        assert self.store.manifest(done.version).parent == done.replaced

    def _look_at_head(self) -> None:
        """Note who is head now; between two looks it has moved once, or not at all."""
        head = self.store.head()
        if head is not None and head.version not in self.heads:
            before = self.heads[-1] if self.heads else None
            assert self.store.manifest(head.version).parent == before
            self.heads.append(head.version)

    def _kept(self) -> set[str]:
        """Return what must be there: history as promised, and what may yet be published."""
        kept = set(self.heads[-self.retention.versions :])
        for newer, older in pairwise(reversed(self.heads)):
            if newer in kept and self._age(newer) < self.retention.age:
                kept.add(older)
        head = self.store.head()
        etag = head.etag if head else None
        return kept | {str(one.version) for one in self.paused if one.witness == etag}

    def _let_go(self) -> tuple[str, ...]:
        kept = self._kept()
        parents = {one.version: one.parent for one in self._versions()}
        head = self.heads[-1] if self.heads else None
        return tuple(
            sorted(name for name, parent in parents.items() if name not in kept and parent != head)
        )

    def _versions(self) -> list[Manifest]:
        names = [entry.key.rpartition("/")[2][:-5] for entry in self.store.versions()]
        return [self.store.manifest(name) for name in names]

    def _age(self, version: str) -> timedelta:
        return self.time() - self.objects.held[self.store.manifest_key(version)].written


TestRetention: Any = Collection.TestCase
TestRetention.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestRetention = pytest.mark.invariant(2)(TestRetention)
