"""ApplyUpdates: write what the table says into a copy of the head, and stage what changed.

Idempotent: nothing it writes is visible before UploadSnapshot, and what it writes it derives from
the table's current truth. It loads chromadb, and never its index.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from instep.clock import utc_now
from instep.flow.heartbeat import Heartbeat
from instep.flow.parking import fetch_entries, park_result
from instep.lambda_ import parts, settings
from instep.lambda_.applying import Messages, applied, change_times, note, settled_by, watermark
from instep.lambda_.payloads import ApplyAnswer, ApplyRequest
from instep.lambda_.shared_cache import shared_cache
from instep.lambda_.telemetry import Payload, failing_as, logger, metrics, observed
from instep.scratch import sweep_scratch
from instep.snapshot.acts.workspace import Workspace, open_workspace
from instep.snapshot.copy.store import SnapshotStore
from receipt_chroma.compaction import process_collection_updates
from receipt_dynamo_stream import ChromaDBCollection

dynamodb = boto3.client("dynamodb", config=settings.CLIENT)
leases = parts.leases()
objects = parts.objects()
runner = parts.runner()
cache = shared_cache()


delta_buckets = parts.delta_buckets()


@observed("apply_updates")
def handle(event: Payload, context: LambdaContext) -> Payload:
    """Return what was staged, or that nothing changed; LeaseLost and StorageUnavailable go up."""
    request = ApplyRequest.from_payload(event)
    with (
        failing_as("Collection processing failed", "CompactionCollectionProcessingError"),
        Heartbeat(
            leases,
            request.lease,
            settings.heartbeat_interval(),
            also=[partial(runner.renew, request.execution)],
        ) as heartbeat,
    ):
        return apply(request, heartbeat).to_payload()


def apply(request: ApplyRequest, heartbeat: Heartbeat) -> ApplyAnswer:
    """Apply the parked batch to a workspace at the head, stage it, park what it came to."""
    entries = fetch_entries(objects, request.batch)
    logger.info("Processing collection", extra={"messages": len(entries)})
    sweep_scratch(settings.scratch_root())  # a call that was killed leaves the disk to this one
    with workspace_of(SnapshotStore(objects, request.collection, cache=cache)) as workspace:
        result = process_collection_updates(
            Messages(entries),
            ChromaDBCollection(request.collection),
            workspace.client,
            logger,
            metrics,
            dynamodb,
            table_name=settings.entity_table(),
            objects=objects,
            allowed_buckets=delta_buckets,
            scratch=settings.scratch_root(),
            renewed=workspace.renew,
        )
        heartbeat.check()
        parent, now = workspace.parent, utc_now()
        staged = workspace.stage(
            request.execution,
            request.lease.fencing_token,
            watermark(applied(entries, result), parent.watermark if parent else None, now),
            note(result, len(entries)),
            change_times(applied(entries, result), now),
        )
    failed = len(result.failures)
    logger.info(
        "Updates applied",
        extra={"changed": staged.changed, "failed": failed, "bytes": staged.bytes},
    )
    parked = park_result(objects, request.batch, settled_by(result))
    return ApplyAnswer(staged.to_payload(), staged.changed, request.attempt + 1, parked)


@contextmanager
def workspace_of(store: SnapshotStore) -> Iterator[Workspace]:
    """Open the writer's copy of the head in the collection's warm folder."""
    before = store.objects.traffic.down
    with ExitStack() as stack:
        with failing_as("Snapshot download failed", "CompactionSnapshotDownloadError"):
            workspace = stack.enter_context(
                open_workspace(store, settings.chroma_root() / store.collection)
            )
        version = workspace.parent.version if workspace.parent else None
        fetched = store.objects.traffic.down - before
        logger.info("Snapshot downloaded", extra={"version": version, "bytes": fetched})
        yield workspace
