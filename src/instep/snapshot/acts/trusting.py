"""Keep a foreign directory and its vector index, made safe for a writer that loads none.

Only for backups of one's own: chromadb loads the links of an index in its native half and follows
them wherever they lead, so an index that was tampered with kills whoever opens or searches it.
SQLite checks the database before chromadb opens it, chromadb reads every vector, its stored
configuration is changed so that the index is never persisted by itself, its queue is persisted and
pruned, and what it had deleted is dropped.
"""

import shutil
import sqlite3
from pathlib import Path

from instep.chroma import sqlite_rows, sqlite_wal
from instep.chroma.collection import (
    ChromaRefused,
    apply,
    close_client,
    open_client,
    opened,
    read,
    vectors,
)
from instep.chroma.persisting import persist
from instep.chroma.sqlite_rows import SQLITE
from instep.difference import Wanted, difference
from instep.errors import ImportRejected
from instep.snapshot.acts.rebuilding import Identify
from instep.snapshot.copy.writable import settled
from instep.snapshot.format.manifest import Facts, is_file_of_a_snapshot


def make_safe(directory: Path, collection: str, identify: Identify) -> Facts:
    """Check a foreign Chroma directory and make it what a version is; ImportRejected.

    What `identify` says of an id is written over what the metadata says.
    """
    main = directory / SQLITE
    try:
        sqlite_rows.check_foreign(main)
        sqlite_wal.disarm(main)
        _persist_all(directory, collection, identify)
        _keep_one_index(directory, sqlite_rows.vector_segment(main))
        return settled(main, collection)
    except (*ChromaRefused, sqlite3.Error) as error:  # DatabaseRejected is one too
        raise ImportRejected(f"{collection}: chromadb cannot use this snapshot: {error}") from error


def _persist_all(directory: Path, collection: str, identify: Identify) -> None:
    """Persist the queue, and read every vector back: one an embedding, all of one width."""
    close_client(open_client(directory))  # which brings an older schema up to this one
    sqlite_rows.require_alone(directory / SQLITE, collection)
    with opened(directory, collection) as held:
        carried = read(held)
        apply(held, difference(carried, {id_: Wanted(identify(id_)) for id_ in carried}))
    persist(directory, collection)
    with opened(directory, collection) as held:
        widths = {len(vector) for chunk in vectors(held) for vector in chunk}
    if len(widths) > 1:
        raise ImportRejected(f"{collection}: its vectors are of {len(widths)} widths")


def _keep_one_index(directory: Path, segment: str) -> None:
    """Remove what is no file of a version: folders of dropped indexes, hash files, leftovers."""
    for path in directory.iterdir():
        if path.is_dir() and path.name != segment:
            shutil.rmtree(path)
    for path in directory.rglob("*"):
        if path.is_file() and not is_file_of_a_snapshot(str(path.relative_to(directory))):
            path.unlink()
