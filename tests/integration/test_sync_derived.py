"""A whole table of a derived domain through the machine: damage of each kind is repaired, all of it
and only that, by the vectors that the items bring.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.items_app.items import COLLECTION, DOMAIN, WIDTH, id_of, item
from instep.aws.objects import Objects
from instep.flow.lease import LeaseTable
from instep.snapshot.acts.publish import publish
from instep.snapshot.acts.rollback import rollback
from instep.snapshot.acts.workspace import open_workspace
from instep.snapshot.copy.reader import open_snapshot
from instep.snapshot.copy.store import SnapshotStore
from tests.support.aws import BUCKET, LOCKS, services
from tests.support.pipeline import Pipeline
from tests.support.snapshots import Seen, seen_through

ITEMS = 24


@pytest.fixture
def things(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Pipeline]:
    """The functions bound to the items' domain, over a table that was there before."""
    with services(monkeypatch) as aws:
        monkeypatch.setenv("CHROMA_ROOT", str(tmp_path / "chroma"))
        pipeline = Pipeline(aws, DOMAIN)
        pipeline.put(*(item(number, number) for number in range(ITEMS)))
        yield pipeline


def store_of(pipeline: Pipeline) -> SnapshotStore:
    return SnapshotStore(Objects(pipeline.aws.s3, BUCKET), COLLECTION)


def seen(pipeline: Pipeline) -> dict[str, Seen]:
    """What a reader of the head sees, vectors too."""
    snapshot = open_snapshot(Objects(pipeline.aws.s3, BUCKET), COLLECTION)
    try:
        return seen_through(snapshot.collection)
    finally:
        snapshot.close()


def synced(pipeline: Pipeline) -> dict[str, Any]:
    """Sync, and return what the head's version notes."""
    assert pipeline.run({"Sync": {}}).succeeded
    assert pipeline.run().succeeded
    head = store_of(pipeline).head()
    assert head is not None
    return dict(store_of(pipeline).manifest(head.version).note)


def damage(pipeline: Pipeline, folder: Path) -> None:
    store = store_of(pipeline)
    leases = LeaseTable(pipeline.aws.dynamodb, LOCKS, timedelta(minutes=5))
    lease = leases.acquire(COLLECTION, "damage", "damage")
    with open_workspace(store, folder, spec=DOMAIN.collections[COLLECTION]) as workspace:
        held: Any = workspace.client.get_collection(COLLECTION, embedding_function=None)
        held.upsert(
            ids=[id_of(0)], embeddings=[[9.0] * WIDTH], metadatas=[{"instep_vector": "other"}]
        )
        held.update(
            ids=[id_of(1), id_of(2)], metadatas=[{"price": -1}, {"instep_subject": "ITEM#9999999"}]
        )
        held.delete(ids=[id_of(3), id_of(4)])
        held.add(
            ids=["SURPLUS#1", "SURPLUS#2"],
            embeddings=[[9.0] * WIDTH] * 2,
            metadatas=[{"name": "of nobody"}, {"instep_subject": "ITEM#8888888"}],
        )
        staged = workspace.stage("damage", lease.fencing_token, None, {})
    publish(store, staged, lease, leases)
    leases.release(lease)


@pytest.mark.invariant(4)
def test_damage_of_each_kind_is_repaired_and_nothing_else_written(
    things: Pipeline, tmp_path: Path
) -> None:
    synced(things)
    whole = seen(things)
    assert len(whole) == ITEMS
    damage(things, tmp_path / "damage")
    assert seen(things) != whole
    note = synced(things)
    assert seen(things) == whole
    repaired = {name: note[name] for name in ("added", "updated", "deleted")}
    assert repaired["deleted"] + repaired["added"] + repaired["updated"] <= 8
    head = store_of(things).head()
    synced(things)
    assert store_of(things).head() == head, "a second one makes no version"


@pytest.mark.invariant(4)
def test_after_a_rollback_the_table_is_caught_up_with(things: Pipeline) -> None:
    synced(things)
    first = store_of(things).head()
    assert first is not None
    things.ingest(things.put(item(0, 100), item(ITEMS, 1)))
    things.ingest(things.remove(item(1, 1)))
    assert things.run().succeeded
    now = seen(things)
    rollback(store_of(things), first.version, "operator")
    assert len(seen(things)) == ITEMS
    assert seen(things) != now
    synced(things)
    assert seen(things) == now
    assert {id_of(ITEMS), id_of(0)} <= now.keys()
    assert id_of(1) not in now
