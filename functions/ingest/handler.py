"""The table's stream into the inbox: keep what matters, trim it, pack it, announce it.

The event source mapping's target (stacks/ingest.py). It raises only for what a retry can cure: a
record it cannot read goes to the DLQ here, and a start it cannot announce is left to the schedule.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from entrypoint import parts
from entrypoint.screening import screen
from entrypoint.telemetry import Payload, logger, metrics, observed, timed
from instep.errors import StorageUnavailable

inbox = parts.inbox()
starter = parts.starter()


@observed("ingest")
def handle(event: Payload, context: LambdaContext) -> Payload:
    """Queue a batch of stream records; StorageUnavailable makes Lambda send the batch again."""
    with timed("ProcessingDurationMs"):
        screened = screen(event["Records"])
        metrics.count("StreamRecordsReceived", len(event["Records"]))
        metrics.count("StreamRecordsProcessed", len(screened.kept))
        metrics.count("StreamRecordsSkipped", screened.skipped)
        metrics.count("SQSMessagesFailed", inbox.reject(screened.poison, execution="ingest"))
        metrics.count("MessagesGenerated", len(screened.kept))
        metrics.count("MessagesQueued", inbox.send(screened.kept))
        if screened.kept:
            announce(len(screened.kept))
    return {"queued": len(screened.kept), "rejected": len(screened.poison)}


def announce(records: int) -> None:
    """Start an execution unless one is on its way; the records are safe in the inbox already."""
    try:
        started = starter.announce(records)
    except StorageUnavailable as error:
        logger.warning("start not announced, the schedule will", extra={"error": str(error)})
    else:
        logger.info("records queued", extra={"records": records, "announced": started})
