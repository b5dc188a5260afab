"""Another domain through the whole machine: weather stations and their readings, in a table with
other keys, kept in step by the very functions that keep receipts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from instep.aws.objects import Objects
from instep.chroma.carriable import Refusal
from instep.chroma.collection import opened
from instep.clock import utc_now
from instep.domain import Difference
from instep.errors import EmbedderUnavailable
from instep.keys import Key
from instep.snapshot.copy.store import SnapshotStore
from tests.support.aws import BUCKET, services
from tests.support.pipeline import Pipeline
from tests.support.stations import EXPIRES, SCHEMA, TABLE, reading, station, weather

Item = dict[str, Any]


@dataclass
class Counting:
    """An embedder that remembers what it was asked; texts with `mute` have no vector."""

    name: str = "counting-1"
    batch: int = 2
    asked: list[str] = field(default_factory=list)
    down: bool = False

    def embed(self, texts: Sequence[str]) -> Sequence[Any]:
        if self.down:
            raise EmbedderUnavailable("throttled")
        self.asked += texts
        return [
            Refusal("it says nothing") if "mute" in text else [float(len(text)), 1.0, 0.0]
            for text in texts
        ]


@dataclass
class Weather:
    """The pipeline over the weather table."""

    pipeline: Pipeline
    embedder: Counting | None

    def put(self, *items: Item) -> list[Any]:
        records = []
        for item in items:
            answer = self.pipeline.aws.dynamodb.put_item(
                TableName=TABLE, Item=item, ReturnValues="ALL_OLD"
            )
            records.append(self._record(SCHEMA.of(item), answer.get("Attributes"), item))
        return records

    def remove(self, *items: Item) -> list[Any]:
        for item in items:
            key = SCHEMA.written(SCHEMA.of(item))
            self.pipeline.aws.dynamodb.delete_item(TableName=TABLE, Key=key)
        return [self._record(SCHEMA.of(item), item, None) for item in items]

    def arrive(self, *records: Any) -> None:
        self.pipeline.ingest([one for many in records for one in many])
        run = self.pipeline.run()
        assert run.succeeded, run.cause

    def differences(self) -> list[Difference]:
        found = self.pipeline.aws.dynamodb.scan(TableName=TABLE)["Items"]
        names = ("stations", "readings")
        carried = {name: self.pipeline.carried(name) for name in names}
        return list(self.pipeline.domain.judge(found, carried, utc_now()))

    def _record(self, key: Key, old: Item | None, new: Item | None) -> Any:
        images = {"OldImage": old, "NewImage": new}
        change = {name: image for name, image in images.items() if image is not None}
        event = "REMOVE" if new is None else "MODIFY" if old else "INSERT"
        return {"eventName": event, "dynamodb": {"Keys": SCHEMA.written(key), **change}}


@pytest.fixture(params=[None, "embedder"], ids=["own vectors", "embedder"])
def sky(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Weather]:
    with services(monkeypatch) as aws:
        monkeypatch.setenv("CHROMA_ROOT", str(tmp_path / "chroma"))
        monkeypatch.setenv("DYNAMODB_TABLE_NAME", TABLE)
        keys = zip(SCHEMA.attributes, ("HASH", "RANGE"), strict=True)
        aws.dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": one.name, "KeyType": kind} for one, kind in keys],
            AttributeDefinitions=[
                {"AttributeName": one.name, "AttributeType": one.kind} for one in SCHEMA.attributes
            ],
        )
        embedder = Counting() if request.param else None
        yield Weather(Pipeline(aws, weather(embedder)), embedder)


OSLO = station("oslo", 59.9, 10.7, about="by the fjord")
ROME = station("rome", 41.9, 12.5, about="seven hills")


@pytest.mark.invariant(4)
def test_items_of_any_table_arrive_change_and_go(sky: Weather) -> None:
    first, second = reading("oslo", 10, 3.5), reading("oslo", 20, 7.25)
    sky.arrive(sky.put(OSLO, ROME, first, second))
    stations = sky.pipeline.embeddings("stations")
    assert set(stations) == {"station/oslo", "station/rome"}
    assert (stations["station/oslo"]["readings"], stations["station/oslo"]["highest"]) == (2, 7.25)
    assert "highest" not in stations["station/rome"]
    assert set(sky.pipeline.embeddings("readings")) == {"oslo@10", "oslo@20"}
    sky.arrive(sky.put(reading("oslo", 20, 9.0)), sky.remove(first))
    assert sky.pipeline.embeddings("stations")["station/oslo"]["highest"] == 9.0
    assert set(sky.pipeline.embeddings("readings")) == {"oslo@20"}
    sky.arrive(sky.remove(OSLO))
    assert set(sky.pipeline.embeddings("stations")) == {"station/rome"}
    assert sky.differences() == []
    assert sky.pipeline.rejected() == []


def test_each_collection_measures_as_its_domain_says(sky: Weather, tmp_path: Path) -> None:
    sky.arrive(sky.put(OSLO, reading("oslo", 10, 3.5)))
    for name, space in (("stations", "cosine"), ("readings", "l2")):
        store = SnapshotStore(Objects(sky.pipeline.aws.s3, BUCKET), name)
        head = store.head()
        assert head is not None
        store.materialise(head.version, tmp_path / name)
        with opened(tmp_path / name, name) as collection:
            stored = collection.get_model().configuration_json["hnsw"]
        assert stored["space"] == space
        if name == "readings":
            assert stored["ef_construction"] == 50


@pytest.mark.invariant(8)
def test_an_item_that_cannot_be_derived_or_carried_harms_itself_alone(sky: Weather) -> None:
    no_vector = reading("oslo", 30, 1.0, 1.0, 2.0, 3.0)  # of another width
    no_number = {**reading("oslo", 40, 1.0), "wind": {"S": "strong"}}
    sky.arrive(sky.put(OSLO, reading("oslo", 10, 3.5)))
    sky.arrive(sky.put(no_vector, no_number, reading("oslo", 50, 8.0)))
    assert set(sky.pipeline.embeddings("readings")) == {"oslo@10", "oslo@50"}
    reasons = {
        one["record"]["dynamodb"]["Keys"]["minute"]["N"]: one["reason"]
        for one in sky.pipeline.rejected()
    }
    assert "3 numbers" in reasons["30"]
    assert "cannot be derived" in reasons["40"]


def test_what_has_expired_counts_as_gone(sky: Weather) -> None:
    sky.arrive(sky.put(OSLO, reading("oslo", 10, 3.5), reading("oslo", 20, 7.0)))
    old = reading("oslo", 20, 7.0, **{EXPIRES: {"N": "1000"}})
    sky.arrive(sky.put(old))
    assert sky.pipeline.embeddings("stations")["station/oslo"]["highest"] == 3.5
    assert set(sky.pipeline.embeddings("readings")) == {"oslo@10"}
    assert sky.differences() == []


def test_an_edit_of_nothing_that_is_read_wakes_nobody(sky: Weather) -> None:
    sky.arrive(sky.put(OSLO))
    answer = sky.pipeline.ingest(sky.put({**OSLO, "painted": {"S": "white"}}))
    assert answer == {"queued": 0, "rejected": 0}


@pytest.mark.parametrize("sky", ["embedder"], indirect=True)
def test_a_text_is_embedded_once_and_metadata_never(sky: Weather) -> None:
    assert sky.embedder is not None
    sky.arrive(sky.put(OSLO, ROME))
    assert sorted(sky.embedder.asked) == ["by the fjord", "seven hills"]
    sky.arrive(sky.put(*(reading("oslo", minute, float(minute)) for minute in range(1, 40))))
    assert sky.pipeline.embeddings("stations")["station/oslo"]["readings"] == 39
    assert len(sky.embedder.asked) == 2
    sky.arrive(sky.put({**OSLO, "about": {"S": "by the opera"}}))
    assert sky.embedder.asked[2:] == ["by the opera"]
    assert sky.differences() == []


@pytest.mark.parametrize("sky", ["embedder"], indirect=True)
def test_a_text_without_a_vector_is_set_aside_and_a_service_that_is_down_waited_for(
    sky: Weather,
) -> None:
    assert sky.embedder is not None
    sky.arrive(sky.put(ROME, station("riga", 56.9, 24.1, about="mute")))
    assert set(sky.pipeline.embeddings("stations")) == {"station/rome"}
    (letter,) = sky.pipeline.rejected()
    assert "it says nothing" in letter["reason"]
    sky.embedder.down = True
    sky.pipeline.ingest(sky.put(OSLO))
    run = sky.pipeline.run()
    assert "EmbedderUnavailable" in run.cause
    sky.embedder.down = False
    sky.pipeline.aws.outlast_visibility()
    assert sky.pipeline.run().succeeded
    assert set(sky.pipeline.embeddings("stations")) == {"station/oslo", "station/rome"}


def test_a_key_that_its_source_names_no_more_goes(sky: Weather) -> None:
    """As when a mapping drops a field, or somebody wrote into the store by another way."""
    sky.arrive(sky.put(OSLO, ROME))
    stray = {"station/oslo": {**sky.pipeline.carried("stations")["station/oslo"], "old": 1}}
    found = sky.pipeline.domain.judge([OSLO], {"stations": stray}, utc_now())
    assert [(one.field, one.carried, one.expected) for one in found] == [("old", 1, None)]
