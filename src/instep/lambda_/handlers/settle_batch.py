"""SettleBatch: after publish only, what becomes of every message, and who is told of it.

The order is invariant 1's: what comes back or goes to the DLQ is stored there first, whoever waits
is told next, and only then are messages acknowledged. What comes back later is told to the
runner's item, which nobody leaves before it has.
"""

from collections.abc import Mapping

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from instep.clock import utc_now
from instep.domain import Domain
from instep.flow.pace import BUSY_DELAYS, STUCK_DELAYS, delay
from instep.flow.parking import fetch_deliveries
from instep.flow.settlement import Fate, Settlement, settle
from instep.lambda_ import parts, settings
from instep.lambda_.acknowledging import acknowledge
from instep.lambda_.bulks import after_round, folds
from instep.lambda_.payloads import Next, SettleAnswer, SettleRequest, Tally
from instep.lambda_.settling import cause_of, judge, return_records, told, weigh
from instep.lambda_.telemetry import Handler, Payload, logger, metrics, observed


def handler(domain: Domain) -> Handler:
    """Return the function's entry point."""
    inbox, objects, runner = parts.inbox(), parts.objects(), parts.runner()
    starter, pace = parts.starter(), settings.pace()
    dynamodb, table = boto3.client("dynamodb", config=settings.CLIENT), settings.entity_table()

    @observed("settle_batch")
    def handle(event: Payload, context: LambdaContext) -> Payload:
        """Settle one round and say what follows: a fold, another look, or the end."""
        request = SettleRequest.from_payload(event)
        if request.drains:
            runner.renew(request.execution)
        deliveries = fetch_deliveries(objects, request.deliveries)
        judged = [judge(objects, outcome) for outcome in request.outcomes]
        weighed = weigh(objects, judged)
        waits = {
            Fate.DEFERRED: delay(BUSY_DELAYS, request.tally.busy),
            Fate.STALLED: delay(STUCK_DELAYS, request.tally.stuck),
        }
        settlement = settle(deliveries, weighed.verdicts, waits)
        return_records(inbox, deliveries, settlement, request.execution)
        done = {one.collection: one.done for one in judged if one.done}
        domain.settle(dynamodb, table, done, told(weighed.untold, deliveries))
        acknowledge(inbox, starter, settlement, caller=f"{request.execution}/{request.tally.looks}")
        report(settlement)
        due = {one.collection: one.fold_due for one in request.outcomes}
        left = after_round(due, request.tally, last=not request.drains)
        return SettleAnswer(
            execution=request.execution,
            started=request.started,
            tally=tally_of(request, settlement, left),
            then=Next.LOOK if request.drains else Next.END,
            pause=0 if request.more else pace.pause(request.began, utc_now()),
            folds=folds(due, request.tally, left),
        ).to_payload()

    return handle


def tally_of(request: SettleRequest, settlement: Settlement, unfolded: Mapping[str, int]) -> Tally:
    """Return the running totals with this round in them; `unfolded` is what is put off."""
    before = request.tally
    fates = {outcome.fate for outcome in request.outcomes}
    return Tally(
        looks=before.looks,
        rounds=before.rounds + 1,
        failures=before.failures + settlement.failed,
        deferred=before.deferred + settlement.deferred,
        rejected=before.rejected + settlement.rejected,
        busy=before.busy + 1 if Fate.DEFERRED in fates else 0,
        stuck=before.stuck + 1 if Fate.FAILED in fates else 0,
        cause=cause_of(settlement) or before.cause,
        unfolded=unfolded,
    )


def report(settlement: Settlement) -> None:
    """Count and log what was settled."""
    if settlement.failed or settlement.rejected:
        metrics.count("CompactionPartialBatchFailure")
        metrics.count("CompactionFailedMessages", settlement.failed + settlement.rejected)
    logger.info(
        "batch settled",
        extra={
            "acknowledged": len(settlement.acknowledge),
            "handed_back": sum(map(len, settlement.hand_back.values())),
            "failed": settlement.failed,
            "deferred": settlement.deferred,
            "rejected": settlement.rejected,
            "waits": settlement.waits,
        },
    )
