"""chromadb by its plain client: open, create, read and write in bulk, close.

Here and in `read_only`, the client of readers, chromadb is imported, and nowhere else.

What it minds was measured (docs/adr/0008): one call takes at most CHUNK records,
an update with documents and no embeddings would run an embedding function, a client's close is
asynchronous, and the space of a collection never changes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import chromadb
import numpy as np
from chromadb.api.collection_configuration import UpdateCollectionConfiguration
from chromadb.api.shared_system_client import SharedSystemClient
from chromadb.config import Settings
from chromadb.errors import ChromaError, InvalidArgumentError

from instep.batched import batched
from instep.chroma import installed, panics, sqlite_wal
from instep.chroma.bisection import write_all_but_bad
from instep.chroma.carriable import Refusal, is_id, sift
from instep.chroma.sqlite_rows import OUT_OF_REACH
from instep.difference import Addition, Carried, Changes, Fields, Update, Vector
from instep.domain import CollectionSpec
from instep.errors import ChromaPanicked

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection
    from numpy.typing import NDArray

CHUNK: Final = 5461  # records chromadb takes in one call
_VECTORS: Final = 250  # read in one call: it makes a Python float of each, 32 bytes instead of 4
_IDS: Final = 50_000  # read in one call, and nothing else of them
ChromaRefused: Final = (ChromaError, ChromaPanicked, ValueError)
"""What chromadb raises over a directory it cannot use."""
_OVER_AN_ITEM: Final = (ValueError, TypeError, InvalidArgumentError)
"""What chromadb raises over an item it cannot take, when it says so before it writes."""

_DEFAULT: Final = CollectionSpec()

T = TypeVar("T")
Client = TypeVar("Client", bound="ClientAPI")
Write: TypeAlias = "Callable[[Collection, Sequence[Any]], None]"


@dataclass(frozen=True)
class Written:
    """What was written of some changes, and by id why the rest was set aside."""

    changes: Changes
    refused: Mapping[str, Refusal]


def open_client(directory: Path) -> "ClientAPI":
    """Return a client on the directory; SnapshotUnsupported with another chromadb than tested.

    A panic of chromadb's, here or in any call of the client's, is ChromaPanicked.
    """
    installed.require_writer()
    return started(chromadb.PersistentClient, directory)


def started(make: "Callable[..., Client]", directory: Path) -> "Client":
    """Return the client that `make` makes on the directory, its panics named."""
    try:
        with panics.named():
            client = make(path=str(directory), settings=Settings(anonymized_telemetry=False))
    except BaseException:
        _forget(str(directory))
        raise
    panics.guard(client)
    return client


def close_client(client: "ClientAPI", but: frozenset[int] = frozenset()) -> None:
    """Close the client and wait until it holds no descriptor; `but` are descriptors of ours."""
    directory = Path(client.get_settings().persist_directory)
    panics.close(client)
    sqlite_wal.wait_until_closed(directory, but)


def _forget(path: str) -> None:
    """Forget what never started: chromadb would give it to every later client of the directory."""
    if path not in SharedSystemClient._identifier_to_refcount:
        SharedSystemClient._identifier_to_system.pop(path, None)


def create_collection(
    client: "ClientAPI",
    name: str,
    spec: CollectionSpec = _DEFAULT,
    persist_each: int = OUT_OF_REACH,
) -> "Collection":
    """Create the collection as every writer here needs it: never persisted by itself.

    `persist_each` has chromadb persist after so many records, at least 2, as a full client may.
    """
    hnsw: Any = {**spec.hnsw, "space": spec.space, "sync_threshold": persist_each}
    if persist_each < OUT_OF_REACH:
        hnsw["batch_size"] = min(persist_each, 100)
    return client.create_collection(name, configuration={"hnsw": hnsw}, embedding_function=None)


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
    ids: Iterable[str] | None = None,
    where: Mapping[str, Any] | None = None,
) -> dict[str, Carried]:
    """Return what the embeddings carry: those named, those that match, or without either, all."""
    if ids is not None and where is None:
        found: dict[str, Carried] = {}
        for chunk in batched((id_ for id_ in ids if is_id(id_)), CHUNK):
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


def ids(collection: "Collection") -> Iterator[str]:
    """Yield the ids of all embeddings.

    chromadb goes through all that lies before an offset, so pages are large: of 120,000 ids a tenth
    as many take half the time, and 10 MB.
    """
    for offset in range(0, collection.count(), _IDS):
        yield from collection.get(limit=_IDS, offset=offset, include=[])["ids"]


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
    for chunk in batched(ids, _VECTORS):
        got: Any = collection.get(ids=chunk, include=["embeddings"])
        rows = zip(got["ids"], got["embeddings"], strict=True)
        found |= {id_: np.asarray(row, np.float32) for id_, row in rows}
    return found


def present(collection: "Collection", ids: Iterable[str]) -> set[str]:
    """Return those of these embeddings that there are."""
    found: set[str] = set()
    for chunk in batched((id_ for id_ in ids if is_id(id_)), CHUNK):
        found.update(collection.get(ids=chunk, include=[])["ids"])
    return found


def apply(collection: "Collection", changes: Changes) -> Written:
    """Write the changes: deletes, then adds, then updates, each in calls of at most CHUNK.

    What chromadb does not carry is set aside, item by item, and everything else is written.
    """
    good, refused = sift(changes, _dimension(collection) if changes.adds else None)
    for ids in batched(good.deletes, CHUNK):
        collection.delete(ids=ids)
    writes: list[tuple[Write, Mapping[str, Any]]] = [(_add, good.adds), (_update, good.updates)]
    unforeseen = {
        id_: Refusal(f"chromadb refuses it: {why}")
        for write, items in writes
        for chunk in batched(items.items(), CHUNK)
        for (id_, _), why in write_all_but_bad(
            chunk, partial(write, collection), _OVER_AN_ITEM, partial(_check, collection)
        )
    }
    return Written(good.without(unforeseen), {**refused, **unforeseen})


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
            embeddings: Any = [add.embedding for _, add in chosen]
            collection.upsert(
                ids=[id_ for id_, _ in chosen],
                embeddings=embeddings,
                metadatas=[_metadata(add.metadata) for _, add in chosen],
                documents=[add.document or "" for _, add in chosen] if with_document else None,
            )


def _update(collection: "Collection", updates: Sequence[tuple[str, Update]]) -> None:
    """Update; documents go below the call that would embed them anew, the vectors stay."""
    plain = [(id_, update) for id_, update in updates if update.document is None]
    if plain:
        collection.update(
            ids=[id_ for id_, _ in plain],
            metadatas=[_metadata(update.metadata) for _, update in plain],
        )
    rest = [(id_, update) for id_, update in updates if update.document is not None]
    if rest:
        collection._client._update(
            collection_id=collection.id,
            ids=[id_ for id_, _ in rest],
            metadatas=[_metadata(update.metadata) for _, update in rest],
            documents=[update.document or "" for _, update in rest],
            tenant=collection.tenant,
            database=collection.database,
        )


def _dimension(collection: "Collection") -> int | None:
    """Return how many floats a vector has; what the collection was opened with may be older."""
    opened_with: int | None = collection.get_model().dimension
    if opened_with is not None:
        return opened_with
    now: int | None = collection._client.get_collection(
        collection.name, tenant=collection.tenant, database=collection.database
    ).dimension
    return now


def _check(collection: "Collection") -> None:
    """Raise unless the collection answers: after a record that its log cannot read back, no call
    of chromadb's ever does.
    """
    collection.get(limit=1, include=[])


def _metadata(fields: Fields) -> Any:
    """Return fields as chromadb takes them: None for no field at all, never an empty dict."""
    return dict(fields) or None
