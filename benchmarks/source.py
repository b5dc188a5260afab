"""The collection a benchmark starts from, built once a workload and kept under .build/bench.

A normal chromadb client builds it and persists its index: the directory the predecessor has on S3.
Building costs 1.2 to 4 ms a vector, so 80,000 take minutes, once.
"""

from pathlib import Path
from tempfile import mkdtemp

import chromadb
from chromadb.api import ClientAPI
from chromadb.config import Settings

from benchmarks.workload import COLLECTION, Workload

CACHE = Path(__file__).resolve().parents[1] / ".build" / "bench"
CHUNK = 1_000  # chromadb's sync_threshold: the index is persisted after each, nothing is pending


def normal_client(directory: Path) -> ClientAPI:
    """Open `directory` with a plain client, as the predecessor does; `close` it after use."""
    return chromadb.PersistentClient(
        path=str(directory), settings=Settings(anonymized_telemetry=False)
    )


def source_directory(workload: Workload, cache: Path = CACHE) -> Path:
    """Return the built directory, never to be opened or changed."""
    built = cache / workload.key
    if not built.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        growing = Path(mkdtemp(prefix=f"{workload.key}-", dir=cache))
        _build(workload, growing)
        growing.rename(built)  # whole or not at all
    return built


def _build(workload: Workload, directory: Path) -> None:
    client = normal_client(directory)
    collection = client.create_collection(
        COLLECTION, embedding_function=None, configuration={"hnsw": {"space": "l2"}}
    )
    for start in range(0, workload.size, CHUNK):
        words = workload.words(start, min(CHUNK, workload.size - start))
        collection.add(
            ids=words.ids,
            embeddings=words.embeddings,
            metadatas=list(words.metadatas),
            documents=words.documents,
        )
    client.close()  # type: ignore[attr-defined]
