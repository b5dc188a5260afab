"""Instep's way, by the engine's own calls: open at the head, read, write the difference, stage,
publish; and fold. What the state machine does in AcquireLock, ApplyUpdates, UploadSnapshot and
FoldSnapshot, without its invocations, as the predecessor is timed without its own.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from benchmarks.measure import Run, Stopwatch, measured
from benchmarks.traffic import ClientTraffic, Counted
from benchmarks.workload import COLLECTION, Fields, Words
from instep.aws.objects import Objects
from instep.chroma.collection import apply, read
from instep.difference import Wanted, difference
from instep.flow.lease import LeaseTable
from instep.snapshot.acts.fold import fold
from instep.snapshot.acts.publish import Staged, publish
from instep.snapshot.acts.workspace import Workspace, open_workspace
from instep.snapshot.copy.claim import claim
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.copy.warm import WarmCopy
from instep.snapshot.format.manifest import Manifest

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

_OWNER = "bench"
_LEASE = timedelta(minutes=5)


class NothingChanged(Exception):
    """A run that should have changed words staged nothing: the figure would be worthless."""


@dataclass(frozen=True)
class PublishedRun:
    """A run, and how long its publish phase held the lock, in milliseconds."""

    run: Run
    held_ms: float


class Instep:
    """A writer of the snapshots in `bucket`, warm in `scratch`, with a real lock table.

    `traffic` counts its S3 calls: the hooks of `client` unless a relay on its way does.
    """

    def __init__(
        self,
        client: "S3Client",
        bucket: str,
        locks: tuple["DynamoDBClient", str],
        scratch: Path,
        traffic: Counted | None = None,
        collection: str = COLLECTION,
    ) -> None:
        self.traffic: Counted = traffic or ClientTraffic(client)
        self.store = SnapshotStore(Objects(client, bucket), collection)
        self._leases = LeaseTable(*locks, _LEASE)
        self._scratch = scratch
        self._warm = scratch / "warm"

    def warm_up(self) -> None:
        """Bring the warm directory to the head, as the run before this one left it."""
        with open_workspace(self.store, self._warm):
            pass

    def head(self) -> bytes:
        """Return HEAD's bytes, for `rewind`."""
        return self.store.objects.get(self.store.head_key).body

    def manifest(self) -> Manifest:
        """Return the head's; NothingChanged when nothing was published yet."""
        head = self.store.head()
        if head is None:
            raise NothingChanged("there is no version yet")
        return self.store.manifest(head.version)

    def rewind(self, head: bytes) -> None:
        """Let HEAD be these bytes again, so that the next run starts from where others started."""
        self.store.objects.put(self.store.head_key, head)
        self.warm_up()

    def update_labels(self, edits: Mapping[str, Fields], *, cold: bool = False) -> PublishedRun:
        """Return what a run of these edits takes; `cold`: on a machine that has nothing yet."""
        wanted = {word: Wanted(fields) for word, fields in edits.items()}
        return self._publish(wanted, self._scratch / f"cold-{uuid4().hex}" if cold else self._warm)

    def add_words(self, words: Words) -> PublishedRun:
        """Return what merging these new words takes, until a reader can see them."""
        rows = zip(words.ids, words.metadatas, words.documents, words.embeddings, strict=True)
        wanted = {id_: Wanted(fields, text, vector) for id_, fields, text, vector in rows}
        return self._publish(wanted, self._warm)

    def fold(self, behind: Manifest | None = None) -> PublishedRun:
        """Return what folding the head takes, until readers get the folded version; by a function
        that folded the version `behind` before, or has nothing yet.
        """
        root = self._scratch / f"fold-{uuid4().hex}"
        if behind is not None:
            with claim(root) as directory:
                WarmCopy(directory).bring_to(self.store, behind, frozenset(behind.files))

        def stage(watch: Stopwatch, token: int) -> Staged:
            with watch.phase("fold"):
                return fold(self.store, root, _OWNER, token, None)

        return self._run(stage, root)

    def _publish(self, wanted: Mapping[str, Wanted], root: Path) -> PublishedRun:
        def stage(watch: Stopwatch, token: int) -> Staged:
            with watch.phase("open"):
                opened = open_workspace(self.store, root)
                workspace = opened.__enter__()
            try:
                with watch.phase("apply"):
                    write(workspace, wanted, self.store.collection)
                with watch.phase("stage"):
                    return workspace.stage(_OWNER, token, None, {})
            finally:
                with watch.phase("close"):
                    opened.__exit__(None, None, None)

        return self._run(stage, root)

    def _run(self, stage: Callable[[Stopwatch, int], Staged], root: Path) -> PublishedRun:
        """Stage under a lease and publish; `root` stays if it is the warm directory."""
        held_ms: list[float] = []
        lease = self._leases.acquire(self.store.collection, _OWNER, uuid4().hex)

        def work(watch: Stopwatch) -> None:
            staged = stage(watch, lease.fencing_token)
            if not staged.changed:
                raise NothingChanged("the run staged nothing")
            with watch.phase("publish"):
                held_ms.append(publish(self.store, staged, lease, self._leases).held_ms)

        run = measured(self.traffic, work)
        self._leases.release(lease)
        if root is not self._warm:
            shutil.rmtree(root)
        return PublishedRun(run, held_ms[0])


def write(workspace: Workspace, wanted: Mapping[str, Wanted], name: str = COLLECTION) -> None:
    """Read what is carried and write what differs: the apply step."""
    collection = workspace.client.get_collection(name, embedding_function=None)
    apply(collection, difference(read(collection, ids=list(wanted)), wanted))
