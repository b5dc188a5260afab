"""Open or copy a snapshot for a command. Only here is the reader loaded, and chromadb with it:
commands that open nothing start in a third of the time.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Any, Final

import instep
from instep.brief import DOCUMENT, brief
from instep.cli.session import Session

if TYPE_CHECKING:
    from chromadb import Collection

    from instep.snapshot.copy.reader import Snapshot

_CHUNK: Final = 5000


@contextmanager
def opened(
    session: Session,
    collection: str,
    at: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> "Iterator[Snapshot]":
    """Open the head of `collection`, or the version `at`; closed and removed afterwards.

    `progress` gets bytes done and bytes in all.
    """
    with instep.open_snapshot(session.objects, collection, at=at, progress=progress) as found:
        yield found


def pull_snapshot(
    session: Session,
    collection: str,
    directory: Path,
    at: str | None,
    progress: Callable[[int, int], None],
) -> str:
    """Write a verified copy of the head (or `at`) to `directory`; return its version.

    `progress` gets bytes done and bytes in all.
    """
    from instep.snapshot.copy.pulled import pull

    return pull(session.objects, collection, directory, at=at, progress=progress)


def carried_by(collection: "Collection") -> dict[str, Mapping[str, Any]]:
    """Map every embedding's id to what it carries, as `instep.domain.Embeddings` has it."""
    found: dict[str, Mapping[str, Any]] = {}
    for offset in range(0, collection.count(), _CHUNK):
        page: Any = collection.get(limit=_CHUNK, offset=offset, include=["metadatas", "documents"])
        rows = zip(page["ids"], page["metadatas"], page["documents"], strict=True)
        found.update((id_, _carried(metadata or {}, text)) for id_, metadata, text in rows)
    return found


def _carried(metadata: Mapping[str, Any], document: str | None) -> Mapping[str, Any]:
    """Return both as one; its names are those of all others, for chromadb makes them anew for each,
    and they are more than half of what a few fields weigh.
    """
    fields = {intern(name): value for name, value in metadata.items()}
    return fields if document is None else {**fields, DOCUMENT: brief(document)}


def unreachable(session: Session, collection: str, at: str, most: int) -> tuple[int, list[str]]:
    """Look for up to `most` embeddings by their own vectors; return how many, and the ids of those
    that were not found.
    """
    from instep.chroma import reach

    with opened(session, collection, at) as snapshot:
        return reach.unreachable(snapshot.collection, most)
