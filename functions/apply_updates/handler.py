"""ApplyUpdates: write what the table says into a copy of the head, and stage what changed.

Idempotent: nothing it writes is visible before UploadSnapshot, and what it writes it derives from
the table's current truth. The only function that loads chromadb.
"""

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from instep.snapshot.store import SnapshotStore
from instep.snapshot.workspace import open_workspace
from receipt_dynamo_stream import ChromaDBCollection, StreamMessage

from entrypoint import parts, settings
from entrypoint.applying import note, watermark
from entrypoint.payloads import ApplyAnswer, ApplyRequest
from entrypoint.telemetry import Payload, logger, metrics, observed
from instep.batch import fetch_entries, park_result
from instep.heartbeat import Heartbeat
from receipt_chroma.compaction import process_collection_updates

dynamodb = boto3.client("dynamodb", config=settings.CLIENT)
leases = parts.leases()
objects = parts.objects()


@observed("apply_updates")
def handle(event: Payload, context: LambdaContext) -> Payload:
    """Return what was staged, or that nothing changed; LeaseLost and StorageUnavailable go up."""
    request = ApplyRequest.from_payload(event)
    entries = fetch_entries(objects, request.batch)
    store = SnapshotStore(objects, request.collection)
    root = settings.chroma_root() / request.collection
    beating = Heartbeat(leases, request.lease, settings.heartbeat_interval())
    logger.info("Processing collection", extra={"messages": len(entries)})
    with beating as heartbeat, open_workspace(store, root) as workspace:
        parent = workspace.parent
        logger.info("Snapshot downloaded", extra={"version": parent and parent.version})
        result = process_collection_updates(
            [StreamMessage.from_payload(entry.message) for entry in entries],
            ChromaDBCollection(request.collection),
            workspace.client,
            logger,
            metrics,
            dynamodb,
            table_name=settings.entity_table(),
            objects=objects,
            allowed_buckets=settings.delta_buckets(),
        )
        heartbeat.check()
        staged = workspace.stage(
            request.execution,
            request.lease.fencing_token,
            watermark(entries, parent.watermark if parent else None),
            note(result, len(entries)),
        )
    logger.info(
        "Updates applied", extra={"changed": staged.changed, "failed": len(result.failures)}
    )
    parked = park_result(objects, request.batch, result.to_dict())
    attempt = request.attempt + 1
    return ApplyAnswer(staged.to_payload(), staged.changed, attempt, parked).to_payload()
