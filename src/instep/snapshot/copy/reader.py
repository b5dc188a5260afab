"""The reader's side: a chromadb client at the head or a version, on a private, verified copy.

Readers wait for nobody and never see half a version: a copy is claimed, brought to its version and
only then opened. A refresh fetches beside it what is new and puts it in place between two calls,
under the open client where that is possible: an index in memory is then not read again.
"""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from instep.aws.objects import Objects
from instep.chroma import sqlite_wal
from instep.chroma.collection import close_client, get_collection, open_client
from instep.chroma.gate import Gate
from instep.chroma.sqlite_rows import SQLITE
from instep.snapshot.copy.claim import claim, clear, remove
from instep.snapshot.copy.fetch import Progress
from instep.snapshot.copy.live import Live
from instep.snapshot.copy.local_disk import local_disk
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.copy.turn import Turn
from instep.snapshot.copy.wanted import of_head, the_head, unless_swept, wanted
from instep.snapshot.copy.warm import Ready, WarmCopy
from instep.snapshot.copy.writable import check_readable
from instep.snapshot.format.freshness import Freshness
from instep.snapshot.format.manifest import Manifest

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

_SCHEME: Final = "s3://"


class Snapshot:
    """A collection at one version, which `refresh` moves; `client` and `collection` stay good.

    `freshness` is that version's: the newest change it carries, and how long its changes waited.
    Any thread may call anything. A call to chromadb sees one version, whole: `version` is what it
    saw when that is the same before the call and after it. Closed, it answers with ValueError.
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
        self._turn = Turn()
        self._stack = ExitStack()
        with ExitStack() as failed:
            failed.push(self._stack)
            if directory is None:
                directory = Path(
                    self._stack.enter_context(tempfile.TemporaryDirectory(prefix="instep-"))
                )
            with local_disk(directory):
                self._copy = WarmCopy(
                    self._stack.enter_context(claim(directory / store.collection))
                )
                manifest, freshness = wanted(store, at)
                self._bring_to(manifest, progress)
                self._healing(manifest, self._start)
            self._stack.callback(self._end)
            self._reached(manifest, freshness)
            failed.pop_all()

    def refresh(self, progress: Progress | None = None) -> bool:
        """Go to the head if it moved; say whether it did. A snapshot opened `at` a version stays.

        One thread at a time refreshes; the next then finds itself at the head. When the fetch is
        cut off the version that was open stays and the error goes up; an error while it is put in
        place, such as a full disk, closes the snapshot. ValueError when it is closed, or closed
        meanwhile; VersionRejected when the version was swept meanwhile: another try gets a newer.
        """
        with self._turn.taken():
            if self._at is not None:
                return False
            head = the_head(self._store)
            if head is None or head.version == self.version:
                return False
            with local_disk(self._copy.directory):
                ready = self._prepare(of_head(self._store, head), progress)
                self._move_to(ready, head.freshness)
        return True

    def close(self) -> None:
        """Close the client and give the copy back; twice is no error.

        A refresh of another thread ends at its next pack, by ValueError.
        """
        with self._turn.last():
            self._stack.close()

    def __enter__(self) -> "Snapshot":
        """Open until the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _bring_to(self, manifest: Manifest, progress: Progress | None) -> None:
        with unless_swept(self._store, manifest.version):
            self._copy.bring_to(self._store, manifest, frozenset(manifest.files), progress)

    def _prepare(self, manifest: Manifest, progress: Progress | None) -> Ready:
        def tell(done: int, total: int) -> None:
            self._turn.check()  # closed meanwhile: the fetch ends here
            if progress:
                progress(done, total)

        with unless_swept(self._store, manifest.version):
            return self._copy.prepare(self._store, manifest, frozenset(manifest.files), tell)

    def _healing(self, manifest: Manifest, start: Callable[[], None]) -> None:
        """Open what lies there; what turns out damaged, and not so in S3, is fetched once more."""
        try:
            start()
        except Exception:
            self._copy.restore_header()
            if self._copy.prove():
                raise
            self._bring_to(manifest, None)
            start()

    def _start(self) -> None:
        """Let chromadb open the copy, for the first time."""
        self._lay_open()
        with ExitStack() as failed:
            self.client = open_client(self._copy.data)
            failed.callback(close_client, self.client)
            self._gate = Gate(self.client)
            failed.callback(self._gate.stop)
            self._live.settle()
            self.collection = get_collection(self.client, self._store.collection)
            failed.pop_all()

    def _restart(self) -> None:
        """Let chromadb open the copy again, behind the same handles."""
        self._lay_open()
        with ExitStack() as failed:
            failed.callback(sqlite_wal.wait_until_closed, self._copy.data)
            failed.callback(self._gate.stop)
            self._gate.start()
            self._live.settle()
            failed.pop_all()

    def _lay_open(self) -> None:
        check_readable(self._copy.main, self._store.collection)
        self._live = Live(self._copy)

    def _move_to(self, ready: Ready, freshness: Freshness) -> None:
        """Let every call from here on see the version; an error closes the snapshot."""
        with ExitStack() as failed:
            failed.push(self._stack)
            failed.callback(self._turn.end)
            with self._gate.alone():
                self._put_in_place(ready)
                self._reached(ready.manifest, freshness)
            failed.pop_all()

    def _put_in_place(self, ready: Ready) -> None:
        """Make the copy the version's, while no call to chromadb runs."""
        try:
            if self._copy.state() != ready.since:  # somebody wrote through our client meanwhile
                ready = self._prepare(ready.manifest, None)
            if self._live.takes(ready, self._manifest):
                self._live.advance(ready)
            else:
                self._reopen(ready)
        except BaseException:
            self._gate.stop()  # nobody reads what is half a version
            raise

    def _reopen(self, ready: Ready) -> None:
        """Let chromadb close its files, put the version in place, and let it open them again."""
        self._gate.stop()
        sqlite_wal.wait_until_closed(self._copy.data)
        self._copy.restore_header()
        self._copy.commit(ready)
        self._healing(ready.manifest, self._restart)

    def _reached(self, manifest: Manifest, freshness: Freshness) -> None:
        self._manifest, self.version, self.freshness = manifest, manifest.version, freshness

    def _end(self) -> None:
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
    is temporary. ConfigurationMissing when the collection has no version or the disk refuses the
    copy, VersionRejected when `at` is none or a sweep took it meanwhile, SnapshotCorrupt when S3
    holds wrong bytes, StorageUnavailable when it does not answer.
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
    all. `progress` gets bytes done and bytes in all. Returns the version; errors as open_snapshot.
    """
    store = SnapshotStore(objects, collection)
    if directory.exists() and any(directory.iterdir()):
        raise FileExistsError(f"{directory} is not empty: name a new directory")
    version = wanted(store, at)[0].version
    directory = directory.absolute()
    beside = directory.with_name(f".{directory.name}.pull")
    with local_disk(directory), claim(beside) as scratch:
        copy = scratch / "data"
        clear(copy)  # of a pull that was killed
        try:
            with unless_swept(store, version):
                store.materialise(version, copy, progress)
            check_readable(copy / SQLITE, collection)
            copy.replace(directory)
        finally:
            remove(scratch)
            with suppress(OSError):  # another pull to the same place is at work in it
                beside.rmdir()
    return version


def _objects(location: str | Objects) -> Objects:
    if isinstance(location, Objects):
        return location
    if not location.startswith(_SCHEME) or not location.removeprefix(_SCHEME).strip("/"):
        raise ValueError(f"{location!r} is no location: give s3://BUCKET, or an Objects")
    import boto3

    return Objects(boto3.client("s3"), location.removeprefix(_SCHEME).strip("/"))
