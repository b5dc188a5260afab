"""The reader's side: a chromadb client at the head or a version, on a private, verified copy.

Readers wait for nobody and never see half a version: a copy is claimed, brought to its version and
only then opened. A refresh fetches beside it what is new and puts it in place between two calls,
under the open client where that is possible: an index in memory is then not read again.
"""

import shutil
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from instep import sqlite_wal
from instep.collection import close_client, get_collection, open_client
from instep.errors import ConfigurationMissing
from instep.gate import Gate
from instep.objects import Objects
from instep.snapshot.claim import claim
from instep.snapshot.fetch import Progress
from instep.snapshot.freshness import Freshness
from instep.snapshot.inventory import refuse_lost_head
from instep.snapshot.live import Live
from instep.snapshot.manifest import SQLITE, Manifest
from instep.snapshot.store import SnapshotStore
from instep.snapshot.warm import Ready, WarmCopy
from instep.snapshot.writable import check_readable

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

_SCHEME: Final = "s3://"


class Snapshot:
    """A collection at one version, which `refresh` moves; `client` and `collection` stay good.

    `freshness` is that version's: the newest change it carries, and how long its changes waited.
    """

    client: "ClientAPI"
    collection: "Collection"
    version: str
    freshness: Freshness
    _manifest: Manifest

    def __init__(
        self,
        store: SnapshotStore,
        directory: Path | None,
        at: str | None,
        progress: Progress | None,
    ) -> None:
        self._store = store
        self._at = at
        self._stack = ExitStack()
        try:
            if directory is None:
                directory = Path(
                    self._stack.enter_context(tempfile.TemporaryDirectory(prefix="instep-"))
                )
            claimed = self._stack.enter_context(claim(directory / store.collection))
            self._copy = WarmCopy(claimed)
            manifest, self.freshness = _wanted(store, at)
            self._open(manifest, progress)
        except BaseException:
            self._stack.close()
            raise

    def refresh(self, progress: Progress | None = None) -> bool:
        """Go to the head if it moved; say whether it did. A snapshot opened `at` a version stays.

        Other threads may go on reading: a call sees one version, whole. When the fetch is cut off
        the version that was open stays and the error goes up; an error while it is put in place,
        such as a full disk, closes the snapshot.
        """
        if self._at is not None:
            return False
        head = self._store.head()
        if head is None:
            refuse_lost_head(self._store)
        if head is None or head.version == self.version:
            return False
        wanted = self._store.manifest(head.version)
        ready = self._copy.prepare(self._store, wanted, frozenset(wanted.files), progress)
        with self._gate.alone():
            try:
                if self._live.takes(ready, self._manifest):
                    self._live.advance(ready)
                else:
                    self._reopen(ready)
            except BaseException:
                self._gate.stop()
                raise
        self._manifest, self.version, self.freshness = wanted, wanted.version, head.freshness
        return True

    def close(self) -> None:
        """Close the client and give the copy back; twice is no error."""
        self._stack.close()

    def __enter__(self) -> "Snapshot":
        """Open until the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _open(self, manifest: Manifest, progress: Progress | None) -> None:
        self._copy.bring_to(self._store, manifest, frozenset(manifest.files), progress)
        check_readable(self._copy.main, self._store.collection)
        self._live = Live(self._copy)
        self.client = open_client(self._copy.data)
        self._gate = Gate(self.client)
        self._stack.callback(self._close)
        self._live.settle()
        self.collection = get_collection(self.client, self._store.collection)
        self._manifest, self.version = manifest, manifest.version

    def _reopen(self, ready: Ready) -> None:
        """Let chromadb close its files, put the version in place, and let it open them again."""
        self._gate.stop()
        sqlite_wal.wait_until_closed(self._copy.data)
        self._copy.restore_header()
        self._copy.commit(ready)
        check_readable(self._copy.main, self._store.collection)
        self._live = Live(self._copy)
        self._gate.start()
        self._live.settle()

    def _close(self) -> None:
        with self._gate.alone():
            self._gate.stop()
            close_client(self.client)
        self._copy.restore_header()
        self._copy.drop_writes()


def open_snapshot(
    location: str | Objects,
    collection: str,
    at: str | None = None,
    directory: Path | str | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """Open a collection's head, or the version `at`, to read; close it, or use it in a `with`.

    `location` is "s3://bucket" or an Objects of a client of yours. `directory` keeps copies, which
    makes the next open fetch only what is new; several readers may share one. Without it the copy
    is temporary. ConfigurationMissing when the collection has no version, VersionRejected when `at`
    is none, SnapshotCorrupt when S3 holds wrong bytes, StorageUnavailable when it does not answer.
    """
    return Snapshot(
        SnapshotStore(_objects(location), collection),
        None if directory is None else Path(directory),
        at,
        progress,
    )


def pull(
    objects: Objects,
    collection: str,
    directory: Path,
    at: str | None = None,
    progress: Progress | None = None,
) -> str:
    """Write a verified copy that plain `chromadb.PersistentClient(directory)` opens.

    The directory must be missing or empty: FileExistsError otherwise. It appears whole or not at
    all. `progress` gets bytes done and bytes in all. Returns the version.
    """
    store = SnapshotStore(objects, collection)
    if directory.exists() and any(directory.iterdir()):
        raise FileExistsError(f"{directory} is not empty: name a new directory")
    version = _wanted(store, at)[0].version
    directory = directory.absolute()
    beside = directory.with_name(f".{directory.name}.pull")
    with claim(beside) as scratch:
        copy = scratch / "data"
        shutil.rmtree(copy, ignore_errors=True)  # of a pull that was killed
        try:
            store.materialise(version, copy, progress)
            check_readable(copy / SQLITE, collection)
            copy.replace(directory)
        finally:
            shutil.rmtree(scratch)
            with suppress(OSError):  # another pull to the same place is at work in it
                beside.rmdir()
    return version


def _wanted(store: SnapshotStore, at: str | None) -> tuple[Manifest, Freshness]:
    if at is not None:
        manifest = store.asked_for(at)
        return manifest, manifest.freshness
    head = store.head()
    if head is None:
        refuse_lost_head(store)
        raise ConfigurationMissing(
            f"{store.collection} has no version yet in {store.objects.bucket}: run the workflow"
        )
    return store.manifest(head.version), head.freshness


def _objects(location: str | Objects) -> Objects:
    if isinstance(location, Objects):
        return location
    if not location.startswith(_SCHEME) or not location.removeprefix(_SCHEME).strip("/"):
        raise ValueError(f"{location!r} is no location: give s3://BUCKET, or an Objects")
    import boto3

    return Objects(boto3.client("s3"), location.removeprefix(_SCHEME).strip("/"))
