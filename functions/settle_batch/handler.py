"""SettleBatch: after publish only, what becomes of every message, and of every COMPACTION_RUN.

The order is invariant 1's: what comes back or goes to the DLQ is stored there first, runs are
written back next, and only then are messages acknowledged.
"""

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from entrypoint import parts, settings
from entrypoint.payloads import SettleAnswer, SettleRequest, Tally
from entrypoint.settling import cause_of, judge, return_records, weigh
from entrypoint.telemetry import Payload, logger, metrics, observed
from entrypoint.write_back import write_back
from instep.parking import fetch_deliveries
from instep.settlement import Fate, Settlement, settle
from receipt_chroma.compaction.runs import RunTable

inbox = parts.inbox()
objects = parts.objects()
wake_flag = parts.wake_flag()
runs = RunTable(boto3.client("dynamodb", config=settings.CLIENT), settings.entity_table())


@observed("settle_batch")
def handle(event: Payload, context: LambdaContext) -> Payload:
    """Settle one round; `more` asks for another, until one finds nothing or something failed."""
    request = SettleRequest.from_payload(event)
    deliveries = fetch_deliveries(objects, request.deliveries)
    judged = [judge(objects, outcome) for outcome in request.outcomes]
    weighed = weigh(objects, judged)
    settlement = settle(deliveries, weighed.verdicts)
    return_records(inbox, deliveries, settlement, request.execution)
    write_back(runs, judged, weighed.runs, deliveries)
    inbox.delete(settlement.acknowledge)
    for seconds, handles in settlement.hand_back.items():
        inbox.hand_back(handles, seconds)
    report(settlement)
    before = request.tally
    tally = Tally(
        round=before.round + 1,
        failures=before.failures + settlement.failed,
        deferred=before.deferred + settlement.deferred,
        rejected=before.rejected + settlement.rejected,
    )
    more = {outcome.fate for outcome in request.outcomes} == {Fate.APPLIED}
    if not more:
        wake_flag.clear()  # no round of ours follows: whoever queues work from now on starts one
    return SettleAnswer(tally, more, cause_of(settlement)).to_payload()


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
