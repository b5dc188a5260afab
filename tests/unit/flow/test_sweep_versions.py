"""SweepVersions as it is deployed: one collection a start, its rights never asked for more."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from instep.aws.objects import Objects
from instep.errors import InputRejected, SnapshotCorrupt
from instep.snapshot.acts.publish import publish_unleased
from instep.snapshot.copy.store import SnapshotStore
from tests.support.aws import BUCKET, Context, Services, services
from tests.support.memory import stage_pack
from tests.support.pipeline import Pipeline


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with services(monkeypatch) as made:
        yield made


def store_of(aws: Services, collection: str) -> SnapshotStore:
    return SnapshotStore(Objects(aws.s3, BUCKET), collection)


def publish(aws: Services, collection: str, *bodies: bytes) -> None:
    for body in bodies:
        store = store_of(aws, collection)
        publish_unleased(store, stage_pack(store, body, fold=True))


def sweep(aws: Services, event: dict[str, Any]) -> dict[str, Any]:
    return Pipeline(aws).handler("sweep_versions")(event, Context("sweep_versions"))


def test_it_frees_one_collection_and_counts_what_it_freed(
    aws: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    for collection in ("lines", "words"):
        publish(aws, collection, b"one", b"three")
    aws.age_objects(timedelta(days=30))
    freed = sweep(aws, {"collection": "words"})
    assert (freed["versions"], freed["packs"]) == (1, 1)
    assert freed["bytes"] > 3
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line]
    (metric,) = (line for line in printed if "CompactionBytesSwept" in line)
    assert metric["CompactionBytesSwept"] == [freed["bytes"]]
    assert metric["CompactionVersionsSwept"] == metric["CompactionPacksSwept"] == [1.0]
    assert len(list(store_of(aws, "words").versions())) == 1
    assert len(list(store_of(aws, "lines").versions())) == 2


def test_a_collection_in_doubt_is_an_error_that_goes_up(aws: Services) -> None:
    publish(aws, "words", b"one", b"two")
    store = store_of(aws, "words")
    store.objects.delete([store.head_key])
    with pytest.raises(SnapshotCorrupt, match="HEAD is missing"):
        sweep(aws, {"collection": "words"})


@pytest.mark.parametrize("event", [{}, {"collection": "receipts"}])
def test_a_start_that_names_no_collection_is_told_how(aws: Services, event: dict[str, Any]) -> None:
    with pytest.raises(InputRejected, match="lines, words"):
        sweep(aws, event)
