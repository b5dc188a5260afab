"""Carry out a settlement: what became of every entry, then every act, in the order that loses
nothing: send again and refuse first, write runs back, acknowledge last.

The rules are docs/design.md, "SettleBatch", and invariant 1. Dying anywhere in between repeats
some of it, and repeating changes nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from entrypoint.payloads import CollectionOutcome
from instep.batch import Deliveries, Parking, fetch_entries, fetch_result
from instep.envelope import Rejection
from instep.inbox import Inbox
from instep.settlement import Fate, Outcome, Settlement, Verdict
from receipt_chroma.compaction.result import CollectionUpdateResult, DeltaMerge


@dataclass(frozen=True)
class Judged:
    """A collection's verdicts, and the deltas that were merged and, by now, published."""

    outcome: Outcome
    merges: Sequence[DeltaMerge] = ()


def judge(parking: Parking, outcome: CollectionOutcome) -> Judged:
    """Return what became of each entry: what ended its collection, or its own result."""
    entries = fetch_entries(parking, outcome.batch)
    if outcome.result is None:
        verdict = Verdict(outcome.fate, outcome.reason)
        return Judged(Outcome(outcome.collection, entries, [verdict] * len(entries)))
    result = CollectionUpdateResult.from_dict(fetch_result(parking, outcome.result))
    verdicts = [Verdict(Fate.APPLIED)] * len(entries)
    for failure in result.failures:
        fate = Fate.REJECTED if failure.final else Fate.FAILED
        verdicts[failure.index] = Verdict(fate, f"{failure.error}: {failure.reason}")
    return Judged(Outcome(outcome.collection, entries, verdicts), result.delta_merge_results)


def return_records(
    inbox: Inbox, deliveries: Deliveries, settlement: Settlement, execution: str
) -> None:
    """Put what was not applied where it belongs: the inbox, or the DLQ with its reason."""
    for how, records in settlement.resend.items():
        inbox.send(
            records,
            collection=how.collection,
            attempts=how.attempts,
            error=how.error,
            delay=how.delay,
        )
    rejections = []
    for refusal in settlement.refuse:
        origin = deliveries.origins[refusal.origin]
        held = None if origin.delivery is None else deliveries.held[origin.delivery]
        rejections.append(
            Rejection(
                origin.record,
                refusal.reason,
                refusal.attempts,
                held.message_id if held else None,
                refusal.collection,
            )
        )
    inbox.reject(rejections, execution)


def cause_of(outcomes: Sequence[Outcome], settlement: Settlement) -> str:
    """Return one paragraph on what failed, where, and where its records are; "" if nothing did."""
    if not settlement.failed:
        return ""
    lines = []
    for outcome in outcomes:
        reasons = Counter(
            verdict.reason for verdict in outcome.verdicts if verdict.fate is Fate.FAILED
        )
        lines += [
            f"{outcome.collection}: {count} changes failed with {reason[:240]}"
            for reason, count in reasons.most_common(2)
        ]
    where = (
        f"{settlement.failed - _given_up(settlement)} records are in the inbox again and "
        f"{_given_up(settlement)} in the DLQ, each with this error; see `instep status`, and "
        f"`instep redrive` once it is cured."
    )
    return f"{'; '.join(lines[:3])}. {where}"


def _given_up(settlement: Settlement) -> int:
    again = sum(len(records) for how, records in settlement.resend.items() if how.error)
    return settlement.failed - again
