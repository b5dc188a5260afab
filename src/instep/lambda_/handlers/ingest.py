"""The table's stream into the inbox: keep what matters, trim it, pack it, announce it.

The event source mapping's target (instep/cdk/ingest.py). It raises only for what a retry can cure:
a record it cannot read goes to the DLQ here; what could not be queued or announced is sent again.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from instep.domain import Domain
from instep.flow.screening import screen
from instep.flow.starter import Starter
from instep.lambda_ import parts
from instep.lambda_.telemetry import Handler, Payload, logger, metrics, observed, timed


def handler(domain: Domain) -> Handler:
    """Return the function's entry point."""
    inbox, starter = parts.inbox(), parts.starter()

    @observed("ingest")
    def handle(event: Payload, context: LambdaContext) -> Payload:
        """Queue a batch of stream records; StorageUnavailable makes Lambda send the batch again."""
        with timed("ProcessingDurationMs"):
            screened = screen(event["Records"], domain)
            metrics.count("StreamRecordsReceived", len(event["Records"]))
            metrics.count("StreamRecordsProcessed", len(screened.kept))
            metrics.count("StreamRecordsSkipped", screened.skipped)
            metrics.count("SQSMessagesFailed", inbox.reject(screened.poison, execution="ingest"))
            metrics.count("MessagesGenerated", len(screened.kept))
            metrics.count("MessagesQueued", inbox.send(screened.kept))
            if screened.kept:
                announce(starter, event["Records"], len(screened.kept))
        return {"queued": len(screened.kept), "rejected": len(screened.poison)}

    return handle


def announce(starter: Starter, batch: Sequence[Any], kept: int) -> None:
    """Say that records are in the inbox; a batch sent again has the start of its first try."""
    first = json.dumps(batch[0], sort_keys=True, default=str)
    started = starter.announce(kept, hashlib.sha256(first.encode()).hexdigest()[:16])
    logger.info("records queued", extra={"records": kept, "announced": started})
