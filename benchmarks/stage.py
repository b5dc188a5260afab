"""Where a benchmark plays: one endpoint, a scratch folder, and every side set up alike on both."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from benchmarks.endpoint import Endpoint, copy_bucket, empty_bucket, local_endpoint
from benchmarks.ours import Instep
from benchmarks.predecessor import Predecessor
from benchmarks.source import CACHE, source_directory
from benchmarks.traffic import Relay
from benchmarks.workload import COLLECTION, Workload
from instep.aws.objects import Objects
from instep.snapshot.acts.importing import Request, import_snapshot
from instep.snapshot.copy.store import SnapshotStore


@dataclass(frozen=True)
class Stage:
    """`endpoint` for every side, `scratch` for their local files, `cache` of built collections."""

    endpoint: Endpoint
    scratch: Path
    cache: Path = CACHE

    def predecessor(self, workload: Workload) -> Predecessor:
        """Return the predecessor with the workload's collection as its snapshot."""
        client, bucket = self.endpoint.s3(), f"predecessor-{workload.size}"
        empty_bucket(client, bucket)
        side = Predecessor(client, bucket, self.scratch / bucket)
        side.seed(source_directory(workload, self.cache))
        return side

    def instep(self, bucket: str, relay: Relay | None = None) -> Instep:
        """Return a writer of what lies in `bucket`, with nothing local yet; `relay`: its S3 calls
        go through there and are counted there.
        """
        locks = self.endpoint.dynamodb(), self.endpoint.lock_table()
        client = Endpoint(relay.endpoint).s3() if relay else self.endpoint.s3()
        return Instep(client, bucket, locks, self.scratch / f"instep-{uuid4().hex}", relay)

    def base(self, workload: Workload) -> str:
        """Return a bucket that holds the predecessor's snapshot of the workload, imported."""
        client, bucket = self.endpoint.s3(), f"base-{workload.size}"
        empty_bucket(client, bucket)
        store = SnapshotStore(Objects(client, bucket), COLLECTION)
        source = Objects(client, self.predecessor(workload).bucket)
        # Its index is of our own making, and so are its ids.
        request = Request(source, writer="bench", reading=None, identify=lambda _: {})
        import_snapshot(store, request, self.scratch)
        return bucket

    def copy(self, base: str) -> str:
        """Return a new bucket that holds what `base` holds: a run on it leaves `base` alone."""
        bucket = f"copy-{uuid4().hex}"
        copy_bucket(self.endpoint.s3(), base, bucket)
        return bucket


@contextmanager
def stage(cache: Path = CACHE) -> Iterator[Stage]:
    """Set up for the block: starts the local S3, ends it and removes the scratch folder."""
    with TemporaryDirectory(prefix="instep-bench-") as scratch, local_endpoint() as endpoint:
        yield Stage(endpoint, Path(scratch), cache)
