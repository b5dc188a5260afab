"""The records of a snapshot that somebody else wrote, read as a delta is: without chromadb."""

from collections.abc import Mapping
from pathlib import Path

from instep.chroma.foreign.records import read_records
from instep.difference import Addition
from instep.errors import DeltaRejected, ImportRejected


def read_foreign(directory: Path, collection: str) -> Mapping[str, Addition]:
    """Return what a collection of a foreign directory holds, by id, every embedding of it.

    ImportRejected says what cannot be read. The vectors are float32 and share memory.
    """
    try:
        found = read_records(directory, collection)
    except DeltaRejected as error:
        raise ImportRejected(
            f"{collection}: {error}; a backup of your own can be imported as it is: --trust-index"
        ) from error
    for id_, why in found.broken.items():
        raise ImportRejected(
            f"{collection}: {len(found.broken)} embeddings cannot be read, so {id_!r:.200}: {why}"
        )
    return {
        id_: Addition(record.embedding, record.metadata, record.document)
        for id_, record in found.items()
    }
