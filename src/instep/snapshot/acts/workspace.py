"""The writer's side: a client at the head that never loads the vector index, and stage.

The directory holds the database and the stub of a vector index; with a sync threshold out of reach
chromadb then takes updates, deletes and additions into SQLite alone (docs/design.md, "Snapshot
store"). With a threshold in reach it would lose vectors, so such a collection is refused.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from instep.chroma import sqlite_rows, sqlite_wal, waiting
from instep.chroma.collection import close_client, create_collection, open_client
from instep.chroma.hnsw.layout import HEADER
from instep.chroma.hnsw.stub import lay_stub
from instep.chroma.sqlite_rows import SQLITE
from instep.disk import on_disk
from instep.domain import CollectionSpec
from instep.errors import ConfigurationMissing, SnapshotUnsupported, StorageUnavailable
from instep.scratch import sweep_scratch
from instep.snapshot.acts.anew import Start, start
from instep.snapshot.acts.publish import Staged
from instep.snapshot.acts.shipping import Change, ship
from instep.snapshot.acts.staging import Origin, put_version
from instep.snapshot.copy.claim import claim
from instep.snapshot.copy.copy_state import State
from instep.snapshot.copy.inventory import refuse_lost_head
from instep.snapshot.copy.page_hashes import PageHashes
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.copy.warm import WarmCopy
from instep.snapshot.copy.writable import check_writable
from instep.snapshot.format.freshness import ChangeTimes
from instep.snapshot.format.manifest import Facts, FileEntry, MadeBy
from instep.snapshot.format.pages import PageFile

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

_DEFAULT: Final = CollectionSpec()


@contextmanager
def open_workspace(
    store: SnapshotStore, root: Path, *, spec: CollectionSpec = _DEFAULT, create: bool = True
) -> "Iterator[Workspace]":
    """Open the head to write on; `root` is a directory that outlives the call and stays warm.

    A collection without a version starts empty, as `spec` says, unless `create` is False:
    ConfigurationMissing.
    SnapshotUnsupported when its stored configuration makes the stub unsafe. StorageUnavailable,
    here or out of the block, when S3 or the local disk fails or the copy turns out damaged, which
    is dropped then.
    """
    with on_disk(f"write on {store.collection}"), claim(root) as directory:
        sweep_scratch(directory)
        copy = WarmCopy(directory)
        begun = start(store, spec.identity)
        store, manifest = begun.store, begun.manifest
        if manifest is not None:
            copy.bring_to(store, manifest, frozenset({SQLITE}))
            copy.shape(wal=True)
        elif create:
            refuse_lost_head(store)
            _start(copy, store.collection, spec)
        else:
            raise ConfigurationMissing(f"{store.collection} has no version yet")
        with _blaming(copy if manifest else None):
            check_writable(copy.main, store.collection)
            workspace = Workspace(copy, begun, MadeBy(spec.identity, spec.embedder))
            try:
                yield workspace
            finally:
                workspace.close()


class Workspace:
    """A client at the head, in WAL mode; what it writes is seen by nobody before publish."""

    def __init__(self, copy: WarmCopy, begun: Start, made_by: MadeBy) -> None:
        self.parent = begun.head
        self._store = begun.store
        self._copy = copy
        self._manifest, self._made_by = begun.manifest, made_by
        self._hold = sqlite_wal.Hold.before(copy.main)
        try:
            self._hidden = _hide(copy)
            self.client: ClientAPI = open_client(copy.data)
        except BaseException:
            self._hold.release()
            raise
        self._is_open = True
        self._staged = False

    def renew(self) -> "ClientAPI":
        """Return a fresh client in place of this one, with all that was written so far.

        Each write of chromadb's reads its log anew, and a fresh client finds nothing there.
        """
        if not self._is_open:
            raise ValueError("this workspace is closed")
        self._close_client()
        self._show()
        sqlite_rows.prune(self._copy.main)
        self._hidden = _hide(self._copy)
        self.client = open_client(self._copy.data)
        self._is_open = True
        return self.client

    def stage(
        self,
        writer: str,
        fencing_token: int,
        watermark: str | None,
        note: Mapping[str, Any],
        times: ChangeTimes | None = None,
    ) -> Staged:
        """Close the client and store what changed since the head as a version nobody sees.

        `note` is kept in the manifest (JSON values); `times` are those of the changes applied.
        Nothing changed: nothing is stored, and no watermark moves.
        """
        facts = self._finish()
        if self._is_unchanged(facts):
            return self._unchanged(fencing_token, watermark)
        version = self._store.new_version()
        before = self._store.objects.traffic.up
        entries: dict[str, FileEntry] = dict(self._manifest.files if self._manifest else {})
        parent = entries.get(SQLITE)
        hashes = self._hashes(parent)
        with (
            PageFile(self._copy.main, sqlite_wal.normal_page) as main,
            sqlite_wal.changed_pages(self._copy.main) as (size, pages),
        ):
            change = Change(size, pages, main.read, hashes)
            entries[SQLITE] = ship(self._store, version, parent, change)
        pending = self._manifest.facts.pending_vectors if self._manifest else 0
        origin = Origin(
            writer, fencing_token, watermark, note, self.parent, times, self._made_by, pending
        )
        staged = put_version(self._store, version, origin, facts, entries, before)
        self._copy.hashes.save(hashes, entries[SQLITE].digest)
        self._copy.wait_for(version, entries[SQLITE].layers[-1])
        self._staged = True
        return staged

    def close(self) -> None:
        """Close the client; what was not staged is forgotten. Twice is no error."""
        self._close_client()
        self._hold.release()
        if not self._staged:
            self._copy.drop_writes()

    def _finish(self) -> Facts:
        """Close the client; return what the database holds now, in the file and in the WAL."""
        if not self._is_open:
            raise ValueError("this workspace is closed: a workspace is staged once")
        self._close_client()
        self._show()
        facts = Facts(**vars(sqlite_rows.prune(self._copy.main)))
        check_writable(self._copy.main, self._store.collection, alone=False)
        if not self._copy.state().files:
            raise SnapshotUnsupported(
                f"{self._copy.main} was written to while its WAL was held back; the copy is "
                f"dropped: run this again, and if it repeats report SQLite's version"
            )
        return facts

    def _hashes(self, parent: FileEntry | None) -> PageHashes:
        """Return what the parent's pages hash to; made here, there is nothing to hold them to."""
        if parent is None:
            return PageHashes()
        return self._copy.hashes.of(self._copy.main, parent.digest, sqlite_wal.normal_page)

    def _show(self) -> None:
        if self._hidden is not None:
            waiting.show(self._copy.main, self._hidden)

    def _close_client(self) -> None:
        if self._is_open:
            self._is_open = False
            close_client(self.client, self._hold.descriptors)

    def _is_unchanged(self, facts: Facts) -> bool:
        """Say whether the head holds all this already; the first version of a successor is new."""
        if self._manifest is None or self.parent is None:
            return False
        return _same_content(self._manifest.facts, facts)

    def _unchanged(self, fencing_token: int, watermark: str | None) -> Staged:
        head = self.parent
        return Staged(
            collection=self._store.collection,
            changed=False,
            version=head.version if head else None,
            parent=head.version if head else None,
            witness=head.etag if head else None,
            manifest=None,
            fencing_token=fencing_token,
            watermark=watermark,
            beside=self._store.head_name.beside,
        )


@contextmanager
def _blaming(copy: WarmCopy | None) -> Iterator[None]:
    """Look, when something fails, whether the copy of a version is damaged, and drop it then."""
    try:
        yield
    except Exception as error:
        if copy is None or not copy.state().files or copy.prove():
            raise
        copy.wipe()
        raise StorageUnavailable(
            f"{copy.main} was damaged on this machine's disk, S3 is untouched; the copy is dropped "
            f"and the next try fetches it anew"
        ) from error


def _start(copy: WarmCopy, collection: str, spec: CollectionSpec) -> None:
    """Make an empty collection in a directory of its own."""
    copy.wipe()
    copy.data.mkdir(parents=True)
    client = open_client(copy.data)
    try:
        create_collection(client, collection, spec)
    finally:
        close_client(client)
    sqlite_wal.arm(copy.main)
    copy.save(State(None, {SQLITE: copy.made_here(SQLITE)}))


def _hide(copy: WarmCopy) -> waiting.Hidden | None:
    """Give the next client an index to build on, to which nothing is added of what is there.

    None while the collection has no vector, and so no width to lay a stub for.
    """
    dimension = sqlite_rows.dimension(copy.main, alone=False)
    if dimension is None:
        return None
    segment = copy.data / sqlite_rows.vector_segment(copy.main)
    if not (segment / HEADER).exists():
        lay_stub(segment, dimension)
    return waiting.hide(copy.main)


def _same_content(parent: Facts, now: Facts) -> bool:
    return (parent.last_seq, parent.configuration) == (now.last_seq, now.configuration)
