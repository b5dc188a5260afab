"""One shard of a collection: the words whose ids hash to its number, in a snapshot of its own.

Each act is a process's whole life, as a function's is on AWS: its peak memory is its own, and so is
what it lays on the disk.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, TypeAlias
from uuid import uuid4

from benchmarks.beside import every
from benchmarks.endpoint import Endpoint
from benchmarks.ours import Instep
from benchmarks.workload import COLLECTION, Fields, Words, Workload
from instep.cdk.dependencies import tree_size
from instep.memory import peak_memory_mb
from instep.snapshot.acts.folding import PENDING_VECTORS, FoldDue, fold_due
from instep.snapshot.copy.reader import open_snapshot

Act: TypeAlias = Literal["fill", "edit", "fold", "open"]
_CHUNK = 10_000  # words a version while it is filled
_MB = 1 << 20
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Took:
    """What an act took: seconds, of them on a processor, and the most memory and disk at once."""

    seconds: float
    cpu_seconds: float
    memory_mb: float
    disk_mb: float


@dataclass(frozen=True)
class Shard:
    """Shard `number` of `of`, in a bucket of its own."""

    endpoint: str
    scratch: Path
    bucket: str
    workload: Workload
    number: int
    of: int

    def do(self, act: Act) -> Took:
        """Do it, and return what it took; to be called in a process that does nothing else."""
        root = self.scratch / uuid4().hex
        root.mkdir(parents=True)
        os.environ["TMPDIR"] = str(root)  # where a reader's copy goes
        side = self._writer(root)
        acts: Mapping[Act, Callable[[Instep], object]] = {
            "fill": self._fill,
            "edit": self._edit,
            "fold": Instep.fold,
            "open": self._open,
        }
        with _watched(root) as disk:
            began, before = time.perf_counter(), time.process_time()
            acts[act](side)
            seconds, used = time.perf_counter() - began, time.process_time() - before
        return Took(seconds, used, peak_memory_mb(), disk[0] / _MB)

    def writer(self) -> Instep:
        """Return a writer with nothing local, to look at what the shard holds."""
        return self._writer(self.scratch / uuid4().hex)

    def _writer(self, root: Path) -> Instep:
        endpoint = Endpoint(self.endpoint)
        locks = endpoint.dynamodb(), endpoint.lock_table()
        return Instep(endpoint.s3(), self.bucket, locks, root, collection=self._name)

    @property
    def _name(self) -> str:
        return f"{COLLECTION}-{self.number}"

    def _fill(self, side: Instep) -> None:
        """Bring all of it, folded as it comes, and as many vectors more as make a fold due."""
        for start in range(0, self.workload.size, _CHUNK):
            count = min(_CHUNK, self.workload.size - start)
            side.add_words(self.mine(self.workload.words(start, count)))
            is_last = start + count == self.workload.size
            if is_last or fold_due(side.manifest(), pending_before=0) is FoldDue.NOW:
                side.fold()
        side.add_words(self.workload.words(self.workload.size, PENDING_VECTORS))

    def _edit(self, side: Instep) -> None:
        edits: Mapping[str, Fields] = self.workload.edits("scattered", 0)
        mine = {id_: fields for id_, fields in edits.items() if self._holds(id_)}
        side.update_labels(mine)

    def _open(self, side: Instep) -> None:
        with open_snapshot(side.store.objects, self._name) as snapshot:
            snapshot.collection.query(query_embeddings=self.workload.embeddings(0, 1), n_results=10)

    def mine(self, words: Words) -> Words:
        """Return those that are this shard's."""
        rows = [at for at, id_ in enumerate(words.ids) if self._holds(id_)]
        return Words(
            [words.ids[at] for at in rows],
            words.embeddings[rows],
            [words.metadatas[at] for at in rows],
            [words.documents[at] for at in rows],
        )

    def _holds(self, id_: str) -> bool:
        hashed = blake2b(id_.encode(), digest_size=8).digest()
        return int.from_bytes(hashed) % self.of == self.number


def side_by_side(shards: list[Shard], act: Act) -> list[Took]:
    """Let every shard do it, as many at once as there are processors."""
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), max_tasks_per_child=1) as pool:
        waiting: list[Future[Took]] = [pool.submit(shard.do, act) for shard in shards]
        return [each.result() for each in waiting]


@contextmanager
def _watched(root: Path) -> Iterator[list[int]]:
    """Yield the most bytes there were under `root` at once, looked at as the block goes."""
    most = [0]

    def look() -> None:
        with suppress(FileNotFoundError):  # removed as it was looked at: the next look counts
            most[0] = max(most[0], tree_size(root))

    with every(_LOOK_SECONDS, look, "disk"):
        yield most
