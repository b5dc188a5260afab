"""LanceDB's way on the same S3: its merge_insert with the two columns that change.

Twice: as called, and with the index on `id` built anew after each merge, which is part of the run:
the first merge after that writes two columns, every further one reads the whole table and writes
whole rows (seen with 0.40: 124 MB of 20,000 words). In its favour: the table handle stays open and
warm, it is given the wanted values without reading the present ones, and has no vector index.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from benchmarks.endpoint import KEY, REGION
from benchmarks.measure import Run, Stopwatch, measured
from benchmarks.traffic import Counted
from benchmarks.workload import COLLECTION, Fields, Words, Workload

if TYPE_CHECKING:
    from collections.abc import Sequence

CHUNK = 20_000  # records of the initial table, one fragment each


def missing() -> str:
    """Return how to install the peer, "" when it is there."""
    if all(map(find_spec, ("lancedb", "pyarrow"))):
        return ""
    return (
        f"LanceDB is not installed, so its figures are left out. For them: {sys.executable} -m pip "
        f"install --no-deps --require-hashes -r requirements/bench.txt"
    )


class Lance:
    """A LanceDB table at s3://`bucket` behind `endpoint` (the S3's own URL, or a relay's)."""

    def __init__(self, endpoint: str, bucket: str, traffic: Counted, *, indexed: bool) -> None:
        self._arrow = import_module("pyarrow")
        self._database = _connected(endpoint, bucket)
        self._traffic = traffic
        self._indexed = indexed
        self._table: Any = None

    def seed(self, workload: Workload) -> None:
        """Create the table with the workload's words."""
        for start in range(0, workload.size, CHUNK):
            words = workload.words(start, min(CHUNK, workload.size - start))
            records = self._records(words)
            if self._table is None:
                self._table = self._database.create_table(COLLECTION, records)
            else:
                self._table.add(records)
        self._index()

    def index_vectors(self) -> None:
        """Build the vector index that LanceDB proposes, with its own parameters."""
        config = import_module("lancedb.index").IvfPq(distance_type="l2")
        self._table.create_index("vector", config=config, replace=True)

    def update_labels(self, edits: dict[str, Fields]) -> Run:
        """Return what one merge of these edits takes."""
        columns: dict[str, Sequence[object]] = {"id": list(edits)}
        for field in next(iter(edits.values())):
            columns[field] = [wanted[field] for wanted in edits.values()]
        changes = self._arrow.table(columns)
        return measured(self._traffic, lambda watch: self._merge(changes, watch))

    def value(self, word: str, field: str) -> object:
        """Return what the table holds in `field` of the word with this id."""
        return self._table.search().where(f"id = '{word}'").to_list()[0][field]

    def _merge(self, changes: Any, watch: Stopwatch) -> None:
        with watch.phase("merge"):
            self._table.merge_insert("id").when_matched_update_all().execute(changes)
        with watch.phase("index"):
            self._index()

    def _index(self) -> None:
        if self._indexed:
            kind = import_module("lancedb.index").BTree()
            self._table.create_index("id", config=kind, replace=True)

    def _records(self, words: Words) -> Any:
        arrow = self._arrow
        width = words.embeddings.shape[1]
        vectors = arrow.FixedSizeListArray.from_arrays(arrow.array(words.embeddings.ravel()), width)
        columns = {"id": words.ids, "vector": vectors, "document": words.documents}
        for field in words.metadatas[0]:
            columns[field] = [metadata[field] for metadata in words.metadatas]
        return arrow.table(columns)


class LanceReader:
    """A reader of that table, on a connection of its own, with nothing cached yet."""

    def __init__(self, endpoint: str, bucket: str) -> None:
        self._table: Any = _connected(endpoint, bucket).open_table(COLLECTION)
        self._columns = [name for name in self._table.schema.names if name != "vector"]

    def nearest(self, vector: "Sequence[float]", count: int) -> list[str]:
        """Return the ids of the nearest, with all that they carry but the vector fetched too."""
        query = self._table.search(vector, vector_column_name="vector")
        rows = query.select([*self._columns, "_distance"]).limit(count).to_list()
        return [row["id"] for row in rows]


def _connected(endpoint: str, bucket: str) -> Any:
    return import_module("lancedb").connect(
        f"s3://{bucket}/lance",
        storage_options={
            "endpoint": endpoint,
            "allow_http": "true",
            "region": REGION,
            "aws_access_key_id": KEY,
            "aws_secret_access_key": KEY,
            "proxy_excludes": "127.0.0.1",
        },
    )
