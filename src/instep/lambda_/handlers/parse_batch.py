"""ParseBatch: drain the inbox or take the input, parse, coalesce, park; poison to the DLQ.

Who drains, and when that ends, is lambda_/looking.py's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from instep.aws.objects import Objects
from instep.clock import utc_now
from instep.domain import Domain
from instep.flow.batch import Entry
from instep.flow.envelope import Delivery, Record
from instep.flow.inbox import Inbox
from instep.flow.pace import STUCK_DELAYS, Pace, delay
from instep.flow.parking import BatchRef, park
from instep.flow.sync import segments
from instep.lambda_ import parts, settings
from instep.lambda_.deadline import Deadline
from instep.lambda_.inputs import Drain, Ended, Pasted, SyncTable, read_input
from instep.lambda_.intake import take_in
from instep.lambda_.looking import Lookout
from instep.lambda_.payloads import Next, ParseAnswer, ParseRequest, Tally
from instep.lambda_.sync_payloads import Sync
from instep.lambda_.telemetry import Handler, Payload, logger, metrics, observed
from instep.snapshot.format.freshness import instant

DRAIN_FOR: Final = timedelta(seconds=20)
SMALL: Final = 5000  # entries that an Express execution of five minutes gets through by far


def handler(domain: Domain) -> Handler:
    """Return the function's entry point."""
    inbox, pace = parts.inbox(), settings.pace()
    names = sorted(domain.collections)
    lookout = Lookout(inbox, parts.leases(), parts.runner(), parts.starter(), pace, names)
    parsing = Parsing(domain, inbox, parts.objects(), pace)

    @observed("parse_batch")
    def handle(event: Payload, context: LambdaContext) -> Payload:
        """Return references to the parked batch; InputRejected for an input of no known shape."""
        request = ParseRequest.from_payload(event)
        tally = replace(request.tally, looks=request.tally.looks + 1)
        answer = ParseAnswer(request.execution, request.started, tally, Next.END, utc_now())
        match read_input(request.content, domain.collections):
            case Pasted(records):
                return parsing.parse(replace(answer, drains=False), [], 0, records).to_payload()
            case Ended(execution):
                return lookout.follow(answer, execution).to_payload()
            case SyncTable(collections, of):
                sync = Sync(collections, segments(of))
                return replace(answer, next=Next.SYNC, sync=sync).to_payload()
            case Drain():
                until = Deadline.of(context).within(DRAIN_FOR)
                return lookout.look(answer, until, parsing.parse).to_payload()

    return handle


@dataclass(frozen=True)
class Parsing:
    """From what was drained, or pasted, to a parked batch."""

    domain: Domain
    inbox: Inbox
    objects: Objects
    pace: Pace

    def parse(
        self,
        answer: ParseAnswer,
        deliveries: Sequence[Delivery],
        deaths: int,
        records: Sequence[Record] = (),
    ) -> ParseAnswer:
        """Reject poison, park the rest, and let go of deliveries with nothing left to do."""
        intake = take_in(records, deliveries, self.domain, metrics)
        behind(intake.batches, utc_now())
        rejected = self.inbox.reject(intake.poison, answer.execution)
        folder = f"batches/{answer.execution}/{answer.tally.looks}"
        reference: BatchRef | None = None
        batches: dict[str, BatchRef] = {}
        if intake.batches:
            reference, batches = park(
                self.objects, folder, intake.held, intake.records, intake.batches
            )
        self.inbox.delete(intake.finished)
        self.inbox.hand_back(intake.left_over, seconds=0)
        tally = self._put_off(intake.newer, answer.tally)
        counts = {name: batch.count for name, batch in batches.items()}
        logger.info("batch parsed", extra={"entries": counts, "rejected": rejected})
        tally = replace(tally, rejected=tally.rejected + rejected)
        more = answer.more or bool(intake.left_over)
        alarming = deaths or answer.tally.stuck  # something may have taken too long
        answer = replace(answer, tally=tally, more=more, deliveries=reference, batches=batches)
        if not batches:
            then = Next.LOOK if answer.drains else Next.END
            return replace(answer, next=then, pause=self.pace.pause(answer.began, utc_now()))
        small = max(counts.values()) <= SMALL and not alarming
        return replace(answer, next=Next.WORK if small else Next.LARGE)

    def _put_off(self, newer: Sequence[str], tally: Tally) -> Tally:
        """Hand back what a newer release has to take, longer each time; after some looks in a row
        that found it this runner ends, for the next start may be that release's.
        """
        if not newer:
            return tally
        self.inbox.hand_back(newer, seconds=delay(STUCK_DELAYS, tally.stuck))
        logger.warning("messages of a newer format wait", extra={"messages": len(newer)})
        metrics.count("MessagesOfNewerFormat", len(newer))
        return replace(tally, deferred=tally.deferred + len(newer), stuck=tally.stuck + 1)


def behind(batches: Mapping[str, Sequence[Entry]], now: datetime) -> None:
    """Say for each collection how old its oldest change is that is still to be applied (s).

    What fails or is deferred comes back and is told again, older: so it is seen, too, that no
    version is published. A sync's signals say no time and count for nothing.
    """
    oldest = 0
    for collection, entries in batches.items():
        made = [instant(entry.since) for entry in entries if entry.since is not None]
        if made:
            age = max(0, round((now - min(made)).total_seconds()))
            metrics.gauge("HeadBehindSeconds", age, collection)
            oldest = max(oldest, age)
    if batches:
        metrics.count("HeadBehindSeconds", oldest)
