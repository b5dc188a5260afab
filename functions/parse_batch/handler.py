"""ParseBatch: drain the inbox or take the input, parse, coalesce, park; poison to the DLQ.

Who drains, and when that ends, is `instep.runner`'s protocol: claim, drain, finish. A look that
finds nothing writes nothing to S3 (docs/design.md, "Flow").
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from aws_lambda_powertools.utilities.typing import LambdaContext

from entrypoint import parts, settings
from entrypoint.deadline import Deadline
from entrypoint.inputs import Drain, Ended, Pasted, read_input
from entrypoint.intake import take_in
from entrypoint.payloads import Next, ParseAnswer, ParseRequest
from entrypoint.telemetry import Payload, logger, metrics, observed
from instep.clock import utc_now
from instep.envelope import Delivery, Record
from instep.errors import StorageUnavailable
from instep.pace import STUCK_DELAYS
from instep.parking import BatchRef, park
from instep.runner import Claim

DRAIN_FOR = timedelta(seconds=20)
MESSAGES = 2000  # of 50 records at most: a batch that one ApplyUpdates gets through
SMALL = 5000  # entries that an Express execution of five minutes gets through by far
LOOKS = 50  # then another execution goes on: a history holds 25,000 events
LONGEST = timedelta(hours=1)

inbox = parts.inbox()
leases = parts.leases()
objects = parts.objects()
runner = parts.runner()
starter = parts.starter()
pace = settings.pace()


@observed("parse_batch")
def handle(event: Payload, context: LambdaContext) -> Payload:
    """Return references to the parked batch; InputRejected for an input of no accepted shape."""
    request = ParseRequest.from_payload(event)
    tally = replace(request.tally, looks=request.tally.looks + 1)
    answer = ParseAnswer(request.execution, request.started, tally, Next.END, utc_now())
    match read_input(request.content):
        case Pasted(records):
            return parse(replace(answer, drains=False), records, []).to_payload()
        case Ended(execution):
            follow(execution)
            return answer.to_payload()
        case Drain():
            return look(answer, Deadline.of(context)).to_payload()


def follow(ended: str) -> None:
    """Free what an execution held that ended red, and let another drain on if that one did."""
    freed = leases.release_all(ended)
    start = runner.follow(ended)
    if start is not None:
        starter.put(start)
    logger.info("followed", extra={"ended": ended, "leases": freed, "started": start is not None})


def look(answer: ParseAnswer, deadline: Deadline) -> ParseAnswer:
    """Drain as the runner; end at once when another one lives, or when this one's time is over."""
    claim = runner.claim(answer.execution, went_well=answer.tally.rounds > 0)
    if claim is None:
        logger.info("another execution drains")
        return answer
    if answer.tally.looks > LOOKS or answer.began - answer.started > LONGEST:
        start = runner.hand_over(answer.execution)
        if start is not None:
            starter.put(start)
        return answer
    deliveries = inbox.drain(MESSAGES, deadline.within(DRAIN_FOR)).deliveries
    if not deliveries:
        return nothing_found(answer, claim)
    try:
        return parse(answer, [], deliveries, deaths=claim.deaths)
    except StorageUnavailable:
        inbox.hand_back((delivery.handle for delivery in deliveries), seconds=0)
        raise


def nothing_found(answer: ParseAnswer, claim: Claim) -> ParseAnswer:
    """Give the role up, or wait for what is hidden: an empty answer alone proves nothing."""
    now, left = utc_now(), inbox.depth()
    hidden = left.in_flight or left.delayed or (claim.due is not None and now < claim.due)
    patient = answer.tally.stuck < len(STUCK_DELAYS)
    if left.visible or (hidden and patient):
        return replace(answer, next=Next.LOOK, pause=pace.wait_for(claim.due, now))
    if runner.finish(answer.execution, claim):
        return answer
    return replace(answer, next=Next.LOOK)


def parse(
    answer: ParseAnswer, records: Sequence[Record], deliveries: Sequence[Delivery], deaths: int = 0
) -> ParseAnswer:
    """Reject poison, park the rest, and let go of deliveries with nothing left to do."""
    intake = take_in(records, deliveries, metrics)
    rejected = inbox.reject(intake.poison, answer.execution)
    folder = f"batches/{answer.execution}/{answer.tally.looks}"
    reference: BatchRef | None = None
    batches: dict[str, BatchRef] = {}
    if intake.batches:
        reference, batches = park(objects, folder, intake.held, intake.records, intake.batches)
    inbox.delete(intake.finished)
    inbox.hand_back(intake.left_over, seconds=0)
    counts = {name: batch.count for name, batch in batches.items()}
    logger.info("batch parsed", extra={"entries": counts, "rejected": rejected})
    tally = replace(answer.tally, rejected=answer.tally.rejected + rejected)
    answer = replace(answer, tally=tally, deliveries=reference, batches=batches)
    if not batches:
        then = Next.LOOK if answer.drains else Next.END
        return replace(answer, next=then, pause=pace.pause(answer.began, utc_now()))
    alarming = deaths or tally.stuck  # something may have taken too long
    small = max(counts.values()) <= SMALL and not alarming
    return replace(answer, next=Next.WORK if small else Next.LARGE)
