"""SyncTable: one piece of a whole table into the inbox, or word that there is no room for it yet.

What a piece is, and why it may be repeated, instep/flow/sync.py says. It applies nothing: whoever
drains the inbox does, under the lease, so a sync needs none.
"""

from datetime import timedelta
from typing import Final

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from instep.domain import Domain
from instep.flow.sync import Syncing
from instep.lambda_ import parts, settings
from instep.lambda_.deadline import Deadline
from instep.lambda_.sync_payloads import SyncAnswer, SyncRequest
from instep.lambda_.telemetry import Handler, Payload, logger, metrics, observed
from instep.snapshot.acts.anew import start
from instep.snapshot.copy.store import SnapshotStore

SCAN_FOR: Final = timedelta(seconds=30)


def handler(domain: Domain) -> Handler:
    """Return the function's entry point."""
    inbox, starter, objects = parts.inbox(), parts.starter(), parts.objects()
    dynamodb, table = boto3.client("dynamodb", config=settings.CLIENT), settings.entity_table()

    def embeddings(collection: str) -> int:
        begun = start(SnapshotStore(objects, collection), domain.collections[collection].identity)
        return begun.manifest.facts.embeddings if begun.manifest else 0

    pace = settings.pace().seconds
    syncing = Syncing(domain, dynamodb, table, inbox, embeddings, pace)

    @observed("sync_table")
    def handle(event: Payload, context: LambdaContext) -> Payload:
        """Return where the segment is now, and what follows; StorageUnavailable goes up."""
        request = SyncRequest.from_payload(event)
        until = Deadline.of(context).within(SCAN_FOR)
        step = syncing.step(request.segment, request.collections, until)
        before, now = request.segment, step.segment
        if sent := now.sent - before.sent:
            at = f"{request.execution}/{now.number}/{before.seen}/{before.part}"
            starter.announce(sent, caller=at)
        metrics.count("CompactionSyncItemsSeen", now.seen - before.seen)
        metrics.count("CompactionSyncRecordsQueued", sent)
        extra = {"segment": now.number, "then": step.then.value, "seen": now.seen, "sent": now.sent}
        logger.info("Table synced", extra=extra)
        return SyncAnswer(request, step).to_payload()

    return handle
