"""What an assistant may ask of snapshots: four questions, each with a bounded answer.

Nothing here knows the protocol; server.py does. Every answer names the version it is true of. The
head is looked for before an answer, at most every few seconds, and when it cannot be had the answer
is of the version that is there, and says so.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from instep.chroma.collection import ChromaRefused
from instep.errors import (
    CompactionError,
    LocationRejected,
    SnapshotCorrupt,
    StorageUnavailable,
    VersionRejected,
)
from instep.snapshot.copy.location import Location, versions_at
from instep.snapshot.copy.reader import Snapshot
from instep.snapshot.copy.versions import Versions

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

    from instep.chroma.read_only import TextsToVectors

MOST_HITS: Final = 50
MOST_VERSIONS: Final = 20
REFRESH_SECONDS: Final = 5.0
_LONGEST_TEXT: Final = 1_000  # characters of a document or of a value, as it is shown
_MOST_FIELDS: Final = 30
_LONGEST_ANSWER: Final = 60_000  # characters of documents and metadata, in all
_UNREACHABLE: Final = (LocationRejected, SnapshotCorrupt, StorageUnavailable, VersionRejected)

Answer: TypeAlias = dict[str, Any]


class QuestionRefused(Exception):
    """A question that cannot be answered; the message says why, for whoever asked to read."""


@dataclass
class _Shelf:
    """One collection."""

    versions: Versions
    snapshot: Snapshot
    looked: float
    stale: "Answer" = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)


class Library:
    """Snapshots of some collections at one place, open until the block ends.

    `at` is what `open_snapshot` takes: then the head is not followed.
    """

    def __init__(
        self,
        location: Location,
        collections: Iterable[str],
        texts_to_vectors: "TextsToVectors | None" = None,
        directory: Path | None = None,
        clock: Callable[[], float] = monotonic,
        at: str | None = None,
    ) -> None:
        self._clock = clock
        self._stack = ExitStack()
        self._shelves: dict[str, _Shelf] = {}
        with ExitStack() as failed:
            failed.push(self._stack)
            for name in collections:
                versions = versions_at(location, name)
                snapshot = Snapshot(versions, directory, at, None, texts_to_vectors)
                self._stack.enter_context(snapshot)
                self._shelves[name] = _Shelf(versions, snapshot, clock())
            failed.pop_all()

    def __enter__(self) -> "Library":
        """Open until the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close every snapshot."""
        self._stack.close()

    @property
    def collections(self) -> Sequence[str]:
        """The collections' names."""
        return list(self._shelves)

    def search(
        self,
        collection: str,
        text: str | None = None,
        where: dict[str, Any] | None = None,
        contains: str | None = None,
        limit: int = 10,
    ) -> Answer:
        """Find what is nearest to a text, or without one whatever passes the filters.

        `where` is Chroma's filter on metadata, such as {"price": {"$lt": 20}}; `contains` is a
        string that documents must hold. At most 50 hits; a smaller distance is nearer.
        """
        if text is None and where is None and contains is None:
            raise QuestionRefused("say what to search for: text, where or contains")
        filters: dict[str, Any] = {
            "where": where or None,
            "where_document": {"$contains": contains} if contains else None,
        }
        limit = _bounded("limit", limit, MOST_HITS)

        def nearest(words: "Collection") -> Answer:
            found: Any = words.query(query_texts=[text or ""], n_results=limit, **filters)
            near = [round(distance, 6) for distance in found["distances"][0]]
            ids, metadatas, documents = found["ids"], found["metadatas"], found["documents"]
            return {"hits": _rows(ids[0], metadatas[0], documents[0], near)}

        def passing(words: "Collection") -> Answer:
            found: Any = words.get(**filters, limit=limit, include=["metadatas", "documents"])
            return {"hits": _rows(found["ids"], found["metadatas"], found["documents"])}

        return self._answer(collection, passing if text is None else nearest)

    def get(self, collection: str, ids: list[str]) -> Answer:
        """Return the embeddings with these ids, at most 50, with what they carry."""
        _bounded("the number of ids", len(ids), MOST_HITS)

        def named(words: "Collection") -> Answer:
            found: Any = words.get(ids=[*dict.fromkeys(ids)], include=["metadatas", "documents"])
            there = _rows(found["ids"], found["metadatas"], found["documents"])
            return {"found": there, "missing": sorted({*ids} - {*found["ids"]})}

        return self._answer(collection, named)

    def count(self, collection: str, where: dict[str, Any] | None = None) -> Answer:
        """Count the embeddings, all of them or those that pass Chroma's filter on metadata."""

        def counted(words: "Collection") -> Answer:
            return {
                "count": len(words.get(where=where, include=[])["ids"]) if where else words.count()
            }

        return self._answer(collection, counted)

    def versions(self, collection: str, limit: int = 10) -> Answer:
        """List the newest versions, at most 20: when each was made, and how much it holds."""
        limit = _bounded("limit", limit, MOST_VERSIONS)

        def listed(_: object) -> Answer:
            return {
                "versions": [
                    {
                        "version": manifest.version,
                        "created_at": manifest.created_at,
                        "embeddings": manifest.facts.embeddings,
                        "newest_change": manifest.watermark,
                    }
                    for manifest in self._shelves[collection].versions.lineage(limit)
                ]
            }

        return self._answer(collection, listed)

    def _answer(self, name: str, ask: "Callable[[Collection], Answer]") -> Answer:
        """Ask a collection; QuestionRefused for what it cannot answer."""
        shelf = self._shelves.get(name)
        if shelf is None:
            raise QuestionRefused(f"there is no collection {name!r} here, but {self.collections}")
        with shelf.lock:  # so that the answer is of the version it names
            try:
                stale = self._look(shelf)
                content = ask(shelf.snapshot.collection)
            except (*ChromaRefused, CompactionError, TypeError) as error:
                raise QuestionRefused(str(error)[:_LONGEST_TEXT]) from error
            return {"collection": name, "version": shelf.snapshot.version, **stale, **content}

    def _look(self, shelf: _Shelf) -> Answer:
        """Go to the head, unless that was done a moment ago; say if it could not be had."""
        if self._clock() - shelf.looked >= REFRESH_SECONDS:
            try:
                shelf.snapshot.refresh()
                shelf.stale = {}
            except _UNREACHABLE as error:
                shelf.stale = {"stale": f"the head could not be had: {error}"[:_LONGEST_TEXT]}
            shelf.looked = self._clock()
        return shelf.stale


def _rows(
    ids: Sequence[str],
    metadatas: Sequence[Mapping[str, Any] | None],
    documents: Sequence[str | None],
    distances: Sequence[float] | None = None,
) -> list[Answer]:
    """Return embeddings as they are shown; those beyond the longest answer by their ids alone."""
    rows: list[Answer] = []
    room = _LONGEST_ANSWER
    for at, id_ in enumerate(ids):
        row: Answer = {"id": id_}
        if distances is not None:
            row["distance"] = distances[at]
        shown = {"document": _cut(documents[at]), "metadata": _fields(metadatas[at] or {})}
        room -= len(str(shown))
        rows.append(row | (shown if room > 0 else {"left_out": "ask for it by its id"}))
    return rows


def _fields(metadata: Mapping[str, Any]) -> Answer:
    return {str(key): _cut(value) for key, value in islice(metadata.items(), _MOST_FIELDS)}


def _cut(value: Any) -> Any:
    """Return a value as it is shown: a long text is cut, a long list is text."""
    if isinstance(value, list):
        return value if len(str(value)) <= _LONGEST_TEXT else _cut(str(value))
    if not isinstance(value, str) or len(value) <= _LONGEST_TEXT:
        return value
    return f"{value[:_LONGEST_TEXT]}… ({len(value):,} characters in all)"


def _bounded(what: str, value: int, most: int) -> int:
    if not 1 <= value <= most:
        raise QuestionRefused(f"{what} is {value}: from 1 to {most} can be asked for")
    return value
