"""The reader's side: a chromadb client at the head or a version, on a private, verified copy.

Readers wait for nobody and never see half a version: a copy is claimed, brought to its version and
only then opened. chromadb writes a row at every open; those writes stay in the WAL and are dropped
at close, so the copy stays what was published and the next refresh fetches only what is new.
"""

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from instep import sqlite_wal
from instep.collection import close_client, get_collection, open_client
from instep.errors import ConfigurationMissing
from instep.objects import Objects
from instep.snapshot.claim import claim
from instep.snapshot.fetch import Progress
from instep.snapshot.manifest import SQLITE, Manifest
from instep.snapshot.store import SnapshotStore
from instep.snapshot.warm import WarmCopy

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

_SCHEME: Final = "s3://"


class Snapshot:
    """A collection at one version. `client` and `collection` are replaced by a refresh."""

    client: "ClientAPI"
    collection: "Collection"
    version: str

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
        self._hold: sqlite_wal.Hold | None = None
        try:
            if directory is None:
                directory = Path(
                    self._stack.enter_context(tempfile.TemporaryDirectory(prefix="instep-"))
                )
            claimed = self._stack.enter_context(claim(directory / store.collection))
            self._copy = WarmCopy(claimed)
            self._open(_wanted(store, at), progress)
        except BaseException:
            self._stack.close()
            raise

    def refresh(self, progress: Progress | None = None) -> bool:
        """Go to the head if it moved; say whether it did. A snapshot opened `at` a version stays.

        Handles taken from `client` and `collection` before are closed by it. When the fetch is cut
        off, the version that was open is opened again and the error goes up.
        """
        if self._at is not None:
            return False
        head = self._store.head()
        if head is None or head.version == self.version:
            return False
        wanted = self._store.manifest(head.version)
        current = self._manifest  # its version file may have been swept
        self._close_client()
        try:
            self._open(wanted, progress)
        except BaseException:
            self._open(current, None)
            raise
        return True

    def close(self) -> None:
        """Close the client and give the copy back; twice is no error."""
        self._close_client()
        self._stack.close()

    def __enter__(self) -> "Snapshot":
        """Open until the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _open(self, manifest: Manifest, progress: Progress | None) -> None:
        self._copy.bring_to(self._store, manifest, frozenset(manifest.files), progress)
        sqlite_wal.check_schema(self._copy.main)
        self.client = open_client(self._copy.data)
        self._hold = None
        try:
            self._hold = sqlite_wal.Hold(self._copy.main)
            self.collection = get_collection(self.client, self._store.collection)
        except BaseException:
            self._close_client(opened=True)
            raise
        self._manifest = manifest
        self.version = manifest.version

    def _close_client(self, *, opened: bool = False) -> None:
        if self._hold is None and not opened:
            return
        hold, self._hold = self._hold, None
        close_client(self.client, hold.descriptors if hold else frozenset())
        if hold:
            hold.release()
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
    version = _wanted(store, at).version
    directory.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        store.materialise(version, beside, progress)
        sqlite_wal.check_schema(beside / SQLITE)
        beside.chmod(0o755)
        beside.replace(directory)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return version


def _wanted(store: SnapshotStore, at: str | None) -> Manifest:
    if at is not None:
        return store.asked_for(at)
    head = store.head()
    if head is None:
        raise ConfigurationMissing(
            f"{store.collection} has no version yet in {store.objects.bucket}: run the workflow"
        )
    return store.manifest(head.version)


def _objects(location: str | Objects) -> Objects:
    if isinstance(location, Objects):
        return location
    if not location.startswith(_SCHEME) or not location.removeprefix(_SCHEME).strip("/"):
        raise ValueError(f"{location!r} is no location: give s3://BUCKET, or an Objects")
    import boto3

    return Objects(boto3.client("s3"), location.removeprefix(_SCHEME).strip("/"))
