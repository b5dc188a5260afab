"""A moto cloud, a real collection of small vectors, and the one call under test."""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import chromadb
import pytest
from chromadb.config import Settings

from instep.aws.objects import Objects
from receipt_chroma.compaction import CollectionUpdateResult, process_collection_updates
from receipt_dynamo_stream import StreamMessage
from tests.support.aws import BUCKET, ENTITIES, services
from tests.support.items import Paper
from tests.support.metrics import Counts
from tests.support.tables import Cloud

WIDTH = 4  # floats an embedding

Apply = Callable[..., CollectionUpdateResult]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """A cloud with the RECEIPT items of two papers, without which nothing of theirs exists."""
    with services(monkeypatch) as aws:
        made = Cloud(aws)
        made.put(Paper("img-1").receipt(), Paper("img-2").receipt())
        yield made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Any]:
    """A chromadb client with an empty `lines` and an empty `words`."""
    settings = Settings(anonymized_telemetry=False)
    client: Any = chromadb.PersistentClient(str(tmp_path / "chroma"), settings=settings)
    client.create_collection("lines", embedding_function=None)
    client.create_collection("words", embedding_function=None)
    yield client
    client.close()


@pytest.fixture
def words(store: Any) -> Any:
    return store.get_collection("words", embedding_function=None)


@pytest.fixture
def lines(store: Any) -> Any:
    return store.get_collection("lines", embedding_function=None)


@pytest.fixture
def apply(cloud: Cloud, store: Any, tmp_path: Path) -> Apply:
    """Call process_collection_updates on messages for a collection, `words` unless told."""

    def call(
        *messages: StreamMessage,
        collection: str = "words",
        metrics: Counts | None = None,
        **extras: Any,
    ) -> CollectionUpdateResult:
        return process_collection_updates(
            messages,
            collection,
            store,
            logging.getLogger("test"),
            metrics,
            cloud.dynamodb,
            table_name=ENTITIES,
            objects=Objects(cloud.s3, BUCKET),
            scratch=tmp_path,
            **extras,
        )

    return call


def embed(collection: Any, ids: Sequence[str], **fields: Any) -> None:
    """Add embeddings as a producer does: identity and text in the metadata."""
    metadatas = []
    for id_ in ids:
        parts = id_.split("#")
        numbers = {"receipt_id": int(parts[3]), "line_id": int(parts[5])}
        if len(parts) == 8:
            numbers["word_id"] = int(parts[7])
        metadatas.append({"image_id": parts[1], "text": "milk", **numbers, **fields})
    collection.add(
        ids=list(ids),
        embeddings=[[0.5] * WIDTH for _ in ids],
        metadatas=metadatas,
        documents=["milk" for _ in ids],
    )


def carried(collection: Any, id_: str) -> dict[str, Any]:
    """Return the metadata of one embedding."""
    found = collection.get(ids=[id_])["metadatas"]
    assert len(found) == 1, f"{id_} is not there"
    return dict(found[0])
