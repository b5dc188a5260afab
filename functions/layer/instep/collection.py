"""The only file that imports chromadb: open, create, read and write in bulk, close.

What it minds was measured (docs/adr/0008): one call takes at most CHUNK records,
an update with documents and no embeddings would run an embedding function, a client's close is
asynchronous, and the space of a collection never changes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import chromadb
import numpy as np
from chromadb.api.collection_configuration import UpdateCollectionConfiguration
from chromadb.config import Settings
from chromadb.errors import ChromaError

from instep import sqlite_wal
from instep.difference import Addition, Carried, Changes, Fields, Update, Vector
from instep.errors import SnapshotUnsupported
from instep.sqlite_rows import OUT_OF_REACH

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection
    from numpy.typing import NDArray

CHROMADB: Final = "1.5.9"
CHUNK: Final = 5461  # records chromadb takes in one call
_VECTORS: Final = 250  # read in one call: it makes a Python float of each, 32 bytes instead of 4
ChromaRefused: Final = (ChromaError, ValueError)
"""What chromadb raises over a directory it cannot use."""

T = TypeVar("T")


def open_client(directory: Path) -> "ClientAPI":
    """Return a client on the directory; SnapshotUnsupported with another chromadb than tested."""
    found = version("chromadb")
    if found != CHROMADB:
        raise SnapshotUnsupported(
            f"chromadb {found} is installed, this release was tested with {CHROMADB}: install that "
            f"one, or raise it together with the contract tests"
        )
    return chromadb.PersistentClient(
        path=str(directory), settings=Settings(anonymized_telemetry=False)
    )


def close_client(client: "ClientAPI", but: frozenset[int] = frozenset()) -> None:
    """Close the client and wait until it holds no descriptor; `but` are descriptors of ours."""
    directory = Path(client.get_settings().persist_directory)
    client.close()  # type: ignore[attr-defined]
    sqlite_wal.wait_until_closed(directory, but)


def create_collection(client: "ClientAPI", name: str) -> "Collection":
    """Create the collection as every writer here needs it: space l2, never persisted by itself."""
    return client.create_collection(
        name,
        configuration={"hnsw": {"space": "l2", "sync_threshold": OUT_OF_REACH}},
        embedding_function=None,
    )


def get_collection(client: "ClientAPI", name: str) -> "Collection":
    """Return the collection, without an embedding function; ValueError when there is none."""
    return client.get_collection(name, embedding_function=None)


@contextmanager
def opened(directory: Path, name: str) -> Iterator["Collection"]:
    """Have the collection of a directory open for a block, by a client that is closed behind it."""
    client = open_client(directory)
    try:
        yield get_collection(client, name)
    finally:
        close_client(client)


def persist_after(collection: "Collection", records: int) -> None:
    """Let chromadb persist the vector index after so many log records (OUT_OF_REACH: never).

    Below `Collection.modify`, which reads the stored configuration back and warns of it.
    """
    collection._client._modify(
        id=collection.id,
        new_configuration=UpdateCollectionConfiguration(hnsw={"sync_threshold": records}),
        tenant=collection.tenant,
        database=collection.database,
    )


def read(
    collection: "Collection",
    ids: Sequence[str] | None = None,
    where: Mapping[str, Any] | None = None,
) -> dict[str, Carried]:
    """Return what the embeddings carry: those named, those that match, or without either, all."""
    if ids is not None and where is None:
        found: dict[str, Carried] = {}
        for chunk in _chunks(list(ids)):
            found |= _carried(collection.get(ids=chunk, include=["metadatas", "documents"]))
        return found
    if where is None:
        return _read_all(collection)
    return _carried(
        collection.get(
            ids=None if ids is None else list(ids),
            where=dict(where),
            include=["metadatas", "documents"],
        )
    )


def existing(collection: "Collection", ids: Iterable[str]) -> set[str]:
    """Return those of the ids that the collection holds."""
    found: set[str] = set()
    for chunk in _chunks(list(ids)):
        found.update(collection.get(ids=chunk, include=[])["ids"])
    return found


def vectors(collection: "Collection") -> "Iterator[Sequence[Vector]]":
    """Yield the vectors of all embeddings, a chunk at a time; ValueError when one has none."""
    total = collection.count()
    for offset in range(0, total, CHUNK):
        got: Any = collection.get(limit=CHUNK, offset=offset, include=["embeddings"])
        if len(got["embeddings"]) != min(CHUNK, total - offset):
            raise ValueError(f"{len(got['ids'])} embeddings have {len(got['embeddings'])} vectors")
        yield got["embeddings"]


def read_vectors(collection: "Collection", ids: Iterable[str]) -> dict[str, "NDArray[np.float32]"]:
    """Return the vectors of those ids that exist."""
    found: dict[str, NDArray[np.float32]] = {}
    for chunk in _chunks(list(ids), _VECTORS):
        got: Any = collection.get(ids=chunk, include=["embeddings"])
        rows = zip(got["ids"], got["embeddings"], strict=True)
        found |= {id_: np.asarray(row, np.float32) for id_, row in rows}
    return found


def apply(collection: "Collection", changes: Changes) -> None:
    """Write the changes: deletes, then adds, then updates, each in calls of at most CHUNK."""
    for ids in _chunks(list(changes.deletes)):
        collection.delete(ids=ids)
    for adds in _chunks(list(changes.adds.items())):
        _add(collection, adds)
    updates = changes.updates.items()
    for chunk in _chunks([item for item in updates if item[1].document is None]):
        collection.update(
            ids=[id_ for id_, _ in chunk],
            metadatas=[_metadata(update.metadata) for _, update in chunk],
        )
    for chunk in _chunks([item for item in updates if item[1].document is not None]):
        _update_documents(collection, chunk)


def _read_all(collection: "Collection") -> dict[str, Carried]:
    found: dict[str, Carried] = {}
    for offset in range(0, collection.count(), CHUNK):
        found |= _carried(
            collection.get(limit=CHUNK, offset=offset, include=["metadatas", "documents"])
        )
    return found


def _carried(got: Any) -> dict[str, Carried]:
    rows = zip(got["ids"], got["metadatas"], got["documents"], strict=True)
    return {id_: Carried(metadata or {}, document) for id_, metadata, document in rows}


def _add(collection: "Collection", adds: Sequence[tuple[str, Addition]]) -> None:
    """Upsert; documents of None must not reach chromadb as a text, so those go apart."""
    for with_document in (True, False):
        chosen = [item for item in adds if (item[1].document is not None) is with_document]
        if chosen:
            collection.upsert(
                ids=[id_ for id_, _ in chosen],
                embeddings=_vectors([add.embedding for _, add in chosen]),
                metadatas=[_metadata(add.metadata) for _, add in chosen],
                documents=[add.document or "" for _, add in chosen] if with_document else None,
            )


def _update_documents(collection: "Collection", chunk: Sequence[tuple[str, Update]]) -> None:
    """Write documents below the call that would embed them anew; the vectors stay as they are."""
    collection._client._update(
        collection_id=collection.id,
        ids=[id_ for id_, _ in chunk],
        metadatas=[_metadata(update.metadata) for _, update in chunk],
        documents=[update.document or "" for _, update in chunk],
        tenant=collection.tenant,
        database=collection.database,
    )


def _vectors(embeddings: Sequence[Vector]) -> Any:
    return list(embeddings)


def _metadata(fields: Fields) -> Any:
    """Return fields as chromadb takes them: None for no field at all, never an empty dict."""
    return dict(fields) or None


def _chunks(items: list[T], length: int = CHUNK) -> Iterator[list[T]]:
    for start in range(0, len(items), length):
        yield items[start : start + length]
