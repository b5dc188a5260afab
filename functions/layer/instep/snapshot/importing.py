"""Take a predecessor's snapshot in: made safe for a writer without the index, then published.

Nothing of it is believed: SQLite checks the database before chromadb opens it, chromadb reads every
vector, its stored configuration is changed so that the index is never persisted by itself, its
queue is persisted and pruned, and what it had deleted is dropped.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from instep import sqlite_rows, sqlite_wal
from instep.collection import ChromaRefused, close_client, open_client, opened, vectors
from instep.disk import on_disk
from instep.errors import ImportRejected, StorageUnavailable
from instep.objects import Objects
from instep.scratch import scratch_folder
from instep.snapshot import predecessor
from instep.snapshot.fetch import Progress
from instep.snapshot.head import Head
from instep.snapshot.inventory import missing_packs, refuse_lost_head
from instep.snapshot.manifest import SQLITE, Facts, is_file_of_a_snapshot
from instep.snapshot.pages import PageFile
from instep.snapshot.persisting import persist
from instep.snapshot.predecessor import Found
from instep.snapshot.publish import Staged, publish_unleased
from instep.snapshot.shipping import Change, ship_base
from instep.snapshot.staging import Origin, put_version
from instep.snapshot.store import SnapshotStore
from instep.snapshot.writable import check_writable


@dataclass(frozen=True)
class Imported:
    """What was published: `id` is the predecessor's, `bytes` what it takes in S3.

    `hash_checked`: the predecessor's own hash vouched for the bytes; older snapshots have none.
    """

    version: str
    id: str
    hash_checked: bool
    embeddings: int
    bytes: int


@dataclass(frozen=True)
class Request:
    """What to import: from where, the newest unless `id`; on a head only if `on_head`."""

    source: Objects
    writer: str
    id: str | None = None
    on_head: bool = False


def import_snapshot(
    store: SnapshotStore, request: Request, scratch: Path, progress: Progress
) -> Imported:
    """Publish a predecessor's snapshot as the first version, or on the head if asked.

    ImportRejected with nothing published; so is StorageUnavailable, when S3 or the local disk
    fails. SnapshotConflict: somebody published meanwhile. Costs the time and twice the space of the
    collection, in `scratch`. `progress` gets bytes fetched.
    """
    head = store.head()
    if head is None:
        refuse_lost_head(store)  # or history would be cut off, and swept
    elif not request.on_head:
        raise ImportRejected(
            f"{store.collection} has a version already ({head.version}): nothing was imported. To "
            f"publish the import as a new version on it, which hides what that one holds, ask for "
            f"it with --on-head"
        )
    with (
        on_disk(f"import {store.collection}"),
        scratch_folder(scratch, "import") as directory,
    ):
        found = predecessor.fetch(request.source, store.collection, request.id, directory, progress)
        facts = make_safe(directory, store.collection)
        staged = _stage(store, request, found, head, directory, facts)
    version = publish_unleased(store, staged).version
    return Imported(version, found.id, found.hash_checked, facts.embeddings, staged.bytes)


def make_safe(directory: Path, collection: str) -> Facts:
    """Check a foreign Chroma directory and make it what a version is; ImportRejected."""
    main = directory / SQLITE
    try:
        sqlite_rows.check_foreign(main)
        sqlite_wal.disarm(main)
        _persist_all(directory, collection)
        _keep_one_index(directory, sqlite_rows.vector_segment(main))
        sqlite_rows.prune(main)
        sqlite_rows.vacuum(main)
    except ChromaRefused as error:  # DatabaseRejected is one too
        raise ImportRejected(f"{collection}: chromadb cannot use this snapshot: {error}") from error
    check_writable(main, collection)
    facts = Facts(**vars(sqlite_rows.standing(main)))
    if facts.pending_vectors:
        raise ImportRejected(
            f"{collection}: {facts.pending_vectors} vectors of the snapshot could not be persisted"
        )
    return facts


def _persist_all(directory: Path, collection: str) -> None:
    """Persist the queue, and read every vector back: one an embedding, all of one width."""
    close_client(open_client(directory))  # which brings an older schema up to this one
    _require_collection(directory, collection)
    persist(directory, collection)
    with opened(directory, collection) as held:
        widths = {len(vector) for chunk in vectors(held) for vector in chunk}
    if len(widths) > 1:
        raise ImportRejected(f"{collection}: its vectors are of {len(widths)} widths")


def _require_collection(directory: Path, collection: str) -> None:
    found = sqlite_rows.collections(directory / SQLITE)
    if set(found) != {collection}:
        raise ImportRejected(
            f"the snapshot holds the collections {sorted(found)}; it must hold {collection} alone"
        )


def _keep_one_index(directory: Path, segment: str) -> None:
    """Remove what is no file of a version: folders of dropped indexes, hash files, leftovers."""
    for path in directory.iterdir():
        if path.is_dir() and path.name != segment:
            shutil.rmtree(path)
    for path in directory.rglob("*"):
        if path.is_file() and not is_file_of_a_snapshot(str(path.relative_to(directory))):
            path.unlink()


def _stage(
    store: SnapshotStore,
    request: Request,
    found: Found,
    head: Head | None,
    directory: Path,
    facts: Facts,
) -> Staged:
    version = store.new_version()
    sent = store.objects.traffic.up
    files = {}
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        with PageFile(path) as pages:
            change = Change(path.stat().st_size, {}, pages.read)
            files[str(path.relative_to(directory))] = ship_base(store, version, change)
    note = {"imported": found.id, "from": request.source.bucket, "hash_checked": found.hash_checked}
    token = head.fencing_token if head else 0
    origin = Origin(request.writer, token, None, note, head)
    staged = put_version(store, version, origin, facts, files, sent)
    # A laptop may have slept for longer than a sweep spares packs that nobody names yet.
    if missing_packs(store, store.manifest(version)):
        raise StorageUnavailable(
            f"{store.collection}: the import took so long that a sweep has taken some of it for "
            f"garbage; nothing was published, import again"
        )
    return staged
