"""ParseBatch: drain the inbox or take the input, parse, coalesce, park; poison to the DLQ.

An idle round writes nothing to S3 (docs/design.md, "Flow"). While rounds follow each other the wake
flag is held: what is queued meanwhile is the next round's, and needs no start of its own.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from aws_lambda_powertools.utilities.typing import LambdaContext

from entrypoint import parts
from entrypoint.deadline import Deadline
from entrypoint.inputs import accepted_records
from entrypoint.intake import take_in
from entrypoint.payloads import ParseAnswer, ParseRequest
from entrypoint.telemetry import Payload, logger, metrics, observed
from instep.envelope import Delivery, Record
from instep.errors import StorageUnavailable
from instep.parking import BatchRef, park

DRAIN_FOR = timedelta(seconds=20)
MESSAGES = 2000  # of 50 records at most: a batch that one ApplyUpdates gets through

inbox = parts.inbox()
objects = parts.objects()
wake_flag = parts.wake_flag()


@observed("parse_batch")
def handle(event: Payload, context: LambdaContext) -> Payload:
    """Return references to the parked batch; InputRejected for an input of no accepted shape."""
    request = ParseRequest.from_payload(event)
    records = accepted_records(request.content) if request.tally.round == 0 else None
    if records is not None:
        return parse(request, records, []).to_payload()
    deliveries = drain(Deadline.of(context).within(DRAIN_FOR))
    try:
        return parse(request, None, deliveries).to_payload()
    except StorageUnavailable:
        inbox.hand_back((delivery.handle for delivery in deliveries), seconds=0)
        raise


def drain(until: datetime) -> Sequence[Delivery]:
    """Receive what is queued. Who finds nothing clears the flag and looks once more: all that was
    queued before is seen now, and all that is queued later starts an execution.
    """
    wake_flag.hold()
    deliveries = inbox.drain(MESSAGES, until).deliveries
    if deliveries:
        return deliveries
    wake_flag.clear()
    return inbox.drain(MESSAGES, until).deliveries


def parse(
    request: ParseRequest, records: list[Record] | None, deliveries: Sequence[Delivery]
) -> ParseAnswer:
    """Reject poison, park the rest, and let go of deliveries with nothing left to do."""
    intake = take_in(records or [], deliveries, metrics)
    rejected = inbox.reject(intake.poison, request.execution)
    folder = f"batches/{request.execution}/{request.tally.round}"
    reference: BatchRef | None = None
    batches: dict[str, BatchRef] = {}
    if intake.batches:
        reference, batches = park(objects, folder, intake.held, intake.records, intake.batches)
    inbox.delete(intake.finished)
    inbox.hand_back(intake.left_over, seconds=0)
    counts = {name: batch.count for name, batch in batches.items()}
    logger.info("batch parsed", extra={"entries": counts, "rejected": rejected})
    tally = replace(request.tally, rejected=request.tally.rejected + rejected)
    return ParseAnswer(tally, "queue" if records is None else "input", reference, batches)
