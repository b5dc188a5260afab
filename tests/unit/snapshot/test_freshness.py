"""How fresh a version is, from what is staged over HEAD and manifest to a reader."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.errors import SnapshotCorrupt, StorageUnavailable
from instep.snapshot.acts.fold import fold
from instep.snapshot.acts.publish import Staged, publish, publish_unleased
from instep.snapshot.acts.rollback import rollback
from instep.snapshot.acts.workspace import open_workspace
from instep.snapshot.copy.reader import open_snapshot
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format import document
from instep.snapshot.format.freshness import ChangeTimes, Freshness, Lag
from tests.support.faults import meanwhile, silent
from tests.support.snapshots import NAME, World, adds, names, updates

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECONDS = st.integers(0, 10**6)


def ago(*seconds: float) -> list[datetime]:
    return [NOON - timedelta(seconds=each) for each in seconds]


@given(waits=st.lists(SECONDS, min_size=1, max_size=200), later=SECONDS)
def test_a_lag_is_the_quantiles_of_what_each_change_waited(waits: list[int], later: int) -> None:
    """Publish knows three instants only, and tells what it would tell of the whole batch."""
    times = ChangeTimes.of(ago(*waits))
    assert times is not None
    ranked = sorted(1000 * (wait + later) for wait in waits)
    p50, p95 = (ranked[ceil(len(ranked) * share / 100) - 1] for share in (50, 95))
    assert times.lag(NOON + timedelta(seconds=later)) == Lag(p50, p95, ranked[-1], len(waits))


def test_no_changes_have_no_times_and_clocks_that_differ_give_no_negative_lag() -> None:
    assert ChangeTimes.of([]) is None
    times = ChangeTimes.of(ago(-3))
    assert times is not None
    assert times.lag(NOON) == Lag(0, 0, 0, 1)


def stage(world: World, *waits: float, watermark: datetime | None = None, **fields: Any) -> Staged:
    """Stage an update whose changes were made so long before noon."""
    with open_workspace(world.store, world.warm) as workspace:
        held: Any = workspace.client.get_collection(NAME, embedding_function=None)
        updates(names(1), **fields)(held)
        newest = watermark.isoformat() if watermark else None
        times = ChangeTimes.of(ago(*waits))
        staged = workspace.stage("test", world.lease().fencing_token, newest, {}, times)
    return Staged.from_payload(json.loads(json.dumps(staged.to_payload())))


def at_noon(world: World, after: float = 0) -> SnapshotStore:
    return SnapshotStore(world.store.objects, NAME, lambda: NOON + timedelta(seconds=after))


def freshness(world: World) -> Freshness:
    head = world.store.head()
    assert head is not None
    return head.freshness


@pytest.fixture
def begun(world: World) -> World:
    world.write(adds(names(10)))
    return world


def test_head_says_how_long_what_it_brought_had_waited_until_its_publish(begun: World) -> None:
    newest = NOON - timedelta(seconds=1)
    staged = stage(begun, 1, 2, 4, watermark=newest, n=1)
    published = publish(at_noon(begun, after=3), staged, begun.lease(), begun.leases)
    assert published.lag == Lag(p50_ms=5000, p95_ms=7000, max_ms=7000, changes=3)
    assert freshness(begun) == Freshness(newest, published.lag)


def test_of_several_tries_it_is_the_write_that_won_which_tells(begun: World) -> None:
    """A later try has a later clock, and must not tell of another lag than readers see in HEAD."""
    staged, lease = stage(begun, 1, n=1), begun.lease()

    def publish_at(after: float) -> Lag | None:
        return publish(at_noon(begun, after), staged, lease, begun.leases).lag

    with silent(begun.aws.s3, "PutObject", applied=False), pytest.raises(StorageUnavailable):
        publish_at(0)
    with meanwhile(begun.aws.s3, "PutObject", lambda: publish_at(10)):
        assert publish_at(20) == Lag(11_000, 11_000, 11_000, 1)
    assert publish_at(30) == freshness(begun).lag == Lag(11_000, 11_000, 11_000, 1)


def test_a_write_without_an_answer_tells_what_head_says_afterwards(begun: World) -> None:
    staged, lease = stage(begun, 1, n=1), begun.lease()
    with silent(begun.aws.s3, "PutObject", applied=True):
        published = publish(at_noon(begun), staged, lease, begun.leases)
    assert published.lag == freshness(begun).lag == Lag(1000, 1000, 1000, 1)


def test_a_fold_keeps_the_watermark_and_brings_nothing_of_its_own(begun: World) -> None:
    publish_unleased(at_noon(begun), stage(begun, 1, watermark=NOON, n=1))
    publish_unleased(begun.store, fold(begun.store, begun.scratch / "fold", "folder", 1))
    assert freshness(begun) == Freshness(NOON, None)


def test_a_rollback_is_as_fresh_as_what_it_goes_back_to(begun: World) -> None:
    earlier = NOON - timedelta(hours=1)
    old = publish_unleased(at_noon(begun), stage(begun, 1, watermark=earlier, n=1)).version
    publish_unleased(at_noon(begun), stage(begun, 1, watermark=NOON, n=2))
    rollback(begun.store, old, "operator")
    assert freshness(begun) == Freshness(earlier, None)


def test_a_reader_is_told_of_the_version_it_reads(begun: World) -> None:
    earlier = NOON - timedelta(hours=1)
    first = publish_unleased(at_noon(begun), stage(begun, 9, watermark=earlier, n=1)).version
    objects, directory = begun.store.objects, begun.fresh_directory()
    with open_snapshot(objects, NAME, directory=directory) as snapshot:
        assert snapshot.freshness == Freshness(earlier, Lag(9000, 9000, 9000, 1))
        publish_unleased(at_noon(begun), stage(begun, 1, watermark=NOON, n=2))
        assert snapshot.freshness.watermark == earlier, "not before the refresh"
        assert snapshot.refresh()
        assert snapshot.freshness == Freshness(NOON, Lag(1000, 1000, 1000, 1))
    with open_snapshot(objects, NAME, at=first, directory=directory) as pinned:
        assert pinned.freshness == begun.store.manifest(first).freshness
        assert pinned.freshness.watermark == earlier
        assert pinned.freshness.lag is not None
        assert pinned.freshness.lag.changes == 1
        assert not pinned.refresh()


def test_a_version_by_itself_counts_until_it_was_stored(begun: World) -> None:
    """Its manifest never changes, and is there before anybody knows when it will be published."""
    version = str(stage(begun, 1, 5, n=1).version)
    manifest = replace(begun.store.manifest(version), created_at=NOON.isoformat())
    assert manifest.freshness.lag == Lag(1000, 5000, 5000, 2)


def test_a_store_of_a_release_without_freshness_is_read(begun: World) -> None:
    strip(begun, begun.store.head_key, "head", "lag")
    strip(begun, begun.store.manifest_key(str(begun.version())), "version", "times")
    with open_snapshot(begun.store.objects, NAME) as snapshot:
        assert snapshot.freshness == Freshness(None, None)
    assert begun.manifest().freshness == Freshness(None, None)
    publish_unleased(at_noon(begun), stage(begun, 1, watermark=NOON, n=1))
    assert freshness(begun) == Freshness(NOON, Lag(1000, 1000, 1000, 1))


def strip(world: World, key: str, kind: str, name: str) -> None:
    content = document.read(kind, world.objects()[key])
    del content[name]
    world.put(key, document.write(kind, content))


@pytest.mark.parametrize(
    "damage",
    [
        {"lag": 7},
        {"lag": {"p50_ms": 1}},
        {"lag": {"p50_ms": 1, "p95_ms": "1", "max_ms": 1, "changes": 1}},
        {"watermark": "yesterday"},
        {"watermark": 7},
    ],
)
def test_a_head_that_tells_no_times_is_damaged(begun: World, damage: dict[str, Any]) -> None:
    key = begun.store.head_key
    content = document.read("head", begun.objects()[key])
    begun.put(key, document.write("head", content | damage))
    with pytest.raises(SnapshotCorrupt, match="is damaged"):
        begun.store.head()
