"""The reader's side: a chromadb client at the head or a version, on a private, verified copy.

Readers wait for nobody and never see half a version: a copy is claimed, brought to its version and
only then opened. A refresh fetches beside it what is new and puts it in place between two calls,
under the open client where that is possible: an index in memory is then not read again.
"""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from instep.chroma import sqlite_wal
from instep.chroma.collection import close_client, get_collection
from instep.chroma.gate import Gate
from instep.chroma.installed import require_reader
from instep.chroma.read_only import open_reader
from instep.embedding.asking import asks
from instep.errors import EmbeddingFunctionMissing
from instep.snapshot.copy.claim import claim
from instep.snapshot.copy.fetch import Progress
from instep.snapshot.copy.live import Live
from instep.snapshot.copy.local_disk import local_disk
from instep.snapshot.copy.location import Location, versions_at
from instep.snapshot.copy.turn import Turn
from instep.snapshot.copy.versions import Versions
from instep.snapshot.copy.warm import Ready, WarmCopy
from instep.snapshot.copy.writable import check_readable
from instep.snapshot.format.freshness import Freshness
from instep.snapshot.format.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

    from instep.chroma.read_only import TextsToVectors
    from instep.difference import Vector


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
        versions: Versions,
        directory: Path | None,
        at: str | None,
        progress: Progress | None,
        texts_to_vectors: "TextsToVectors | None",
    ) -> None:
        require_reader()  # before anything is fetched for it
        self._versions = versions
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
                    self._stack.enter_context(claim(directory / versions.collection))
                )
                manifest, freshness = versions.wanted(at)
                self._texts_to_vectors = texts_to_vectors or named_by(manifest)
                self._bring_to(manifest, progress)
                self._healing(manifest, self._start)
            self._stack.callback(self._end)
            self._reached(manifest, freshness)
            failed.pop_all()

    @property
    def embedder(self) -> str:
        """The name of what made its vectors (`instep.embedding.named`); "" where none is known."""
        return self._manifest.made_by.embedder

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
            newer = self._versions.newer(self.version)
            if newer is None:
                return False
            manifest, freshness = newer
            with local_disk(self._copy.directory):
                self._move_to(self._prepare(manifest, progress), freshness)
        return True

    def close(self) -> None:
        """Close the client and give the copy back; twice is no error.

        A refresh of another thread ends at its next pack, by ValueError. ConfigurationMissing when
        the disk refuses to keep the copy as it was published: the next open fetches it anew.
        """
        with self._turn.last(), local_disk(self._copy.directory):
            self._stack.close()

    def __enter__(self) -> "Snapshot":
        """Open until the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _bring_to(self, manifest: Manifest, progress: Progress | None) -> None:
        with self._versions.unless_swept(manifest.version):
            self._copy.bring_to(self._versions, manifest, frozenset(manifest.files), progress)

    def _prepare(self, manifest: Manifest, progress: Progress | None) -> Ready:
        def tell(done: int, total: int) -> None:
            self._turn.check()  # closed meanwhile: the fetch ends here
            if progress:
                progress(done, total)

        with self._versions.unless_swept(manifest.version):
            return self._copy.prepare(self._versions, manifest, frozenset(manifest.files), tell)

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
            self.client = open_reader(self._copy.data, self._texts_to_vectors or self._named)
            failed.callback(close_client, self.client)
            self._gate = Gate(self.client)
            failed.callback(self._gate.stop)
            self._live.settle()
            self.collection = get_collection(self.client, self._versions.collection)
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
        check_readable(self._copy.main, self._versions.collection)
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
            if self._copy.state() != ready.since:  # somebody wrote into the copy meanwhile
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

    def _named(self, texts: list[str]) -> "Sequence[Vector]":
        """Make vectors of texts by what the version names."""
        ask = asks(self.embedder)
        if ask is None:
            raise EmbeddingFunctionMissing(self._versions.collection)
        return ask(texts)

    def _reached(self, manifest: Manifest, freshness: Freshness) -> None:
        self._manifest, self.version, self.freshness = manifest, manifest.version, freshness

    def _end(self) -> None:
        with self._gate.alone():
            self._gate.stop()
            close_client(self.client)
        self._copy.restore_header()
        self._copy.drop_writes()


def named_by(_: Manifest) -> "TextsToVectors | None":
    """Return what makes vectors of texts as the version says its own were made: no version does."""
    return None


def open_snapshot(
    location: Location,
    collection: str,
    at: str | None = None,
    embedding_function: "TextsToVectors | None" = None,
    directory: Path | str | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """Open a collection's head, or the version `at`, to read; close it, or use it in a `with`.

    `at` is a version's id, a tag, or a time in ISO 8601 (in UTC if it does not say): then the
    version that was the head at that time.
    `location` is BUCKET, s3://BUCKET, s3://BUCKET/PREFIX, a directory that `instep pull` wrote, or
    an Objects of a client of yours. `embedding_function` makes vectors of `query_texts`: a function
    of texts, or one of chromadb's; by default what made the embeddings, if Instep ships that.
    `directory` keeps copies, which makes the next open fetch only what is new; several readers may
    share one. Without it the copy is temporary.

    LocationRejected for what is no location, ConfigurationMissing when the collection has no
    version or the disk refuses the copy, VersionRejected when `at` is none or a sweep took it
    meanwhile, SnapshotCorrupt when there are wrong bytes, StorageUnavailable when S3 does not
    answer, SnapshotUnsupported with a chromadb that cannot read it. A write to what is opened is
    SnapshotReadOnly; `query_texts` without a function, EmbeddingFunctionMissing.
    """
    return Snapshot(
        versions_at(location, collection),
        None if directory is None else Path(directory),
        at,
        progress,
        embedding_function,
    )
