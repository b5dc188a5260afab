"""The built collection as the engine's first version: safe for a writer, vacuumed, all bases.

What `instep import` makes of a predecessor's snapshot, straight from the directory.
"""

from pathlib import Path

from benchmarks.source import normal_client
from benchmarks.workload import COLLECTION
from instep import sqlite_rows, sqlite_wal
from instep.collection import close_client, get_collection, persist_after
from instep.snapshot.manifest import SQLITE, Facts, FileEntry
from instep.snapshot.pages import PageFile
from instep.snapshot.publish import publish_unleased
from instep.snapshot.shipping import Change, ship_base
from instep.snapshot.staging import Origin, put_version
from instep.snapshot.store import SnapshotStore

_ORIGIN = Origin("bench", fencing_token=0, watermark=None, note={}, parent=None)


def publish_first(store: SnapshotStore, directory: Path) -> None:
    """Publish `directory`, a copy of the caller's own with its index persisted, as the first."""
    client = normal_client(directory)
    try:
        persist_after(get_collection(client, COLLECTION), sqlite_rows.OUT_OF_REACH)
    finally:
        close_client(client)
    main = directory / SQLITE
    sqlite_rows.prune(main)
    sqlite_rows.vacuum(main)
    sqlite_wal.disarm(main)
    version = store.new_version()
    files = {
        str(path.relative_to(directory)): _shipped(store, version, path)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    facts = Facts(**vars(sqlite_rows.standing(main)))
    publish_unleased(store, put_version(store, version, _ORIGIN, facts, files, 0))


def _shipped(store: SnapshotStore, version: str, path: Path) -> FileEntry:
    with PageFile(path) as file:
        return ship_base(store, version, Change(path.stat().st_size, {}, file.read))
