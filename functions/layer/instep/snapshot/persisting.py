"""Let chromadb write its vector index, and leave it so that it never does by itself again.

Needed where vectors must not wait in the queue: a fold, and an import.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from instep.collection import close_client, get_collection, open_client, persist_after
from instep.sqlite_rows import OUT_OF_REACH

_AT_ONCE: Final = 1  # log records after which chromadb persists: at the next read, that is


def persist(directory: Path, name: str) -> None:
    """Persist the index of the collection; its sync threshold is out of reach from then on."""
    with ExitStack() as stack:
        client = open_client(directory)
        stack.callback(close_client, client)
        persist_after(get_collection(client, name), _AT_ONCE)
    with ExitStack() as stack:
        client = open_client(directory)
        stack.callback(close_client, client)
        collection = get_collection(client, name)
        _replay(collection)
        persist_after(collection, OUT_OF_REACH)


def _replay(collection: Any) -> None:
    """Make chromadb read its queue into the index: a query is what does that."""
    sample = collection.get(limit=1, include=["embeddings"])["embeddings"]
    if sample is not None and len(sample):
        collection.query(query_embeddings=[sample[0]], n_results=1, include=[])
