"""Carry out a settlement: what became of every entry, then every act, in the order that loses
nothing: send again and refuse first, tell whoever waits, acknowledge last.

The rules are docs/design.md, "SettleBatch", and invariant 1. Dying anywhere in between repeats
some of it, and repeating changes nothing. Where all is applied, nothing is read but the handles;
else records and entries stream by, one at a time, and only what is to be said of them is kept.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from instep.domain import Outcome, SignalFailure, Told
from instep.flow.batch import Entry
from instep.flow.encoding import Json, size_of
from instep.flow.envelope import Rejection
from instep.flow.inbox import Inbox
from instep.flow.outgoing import Outgoing, outgoing
from instep.flow.parking import BatchRef, Deliveries, Parking, fetch_entries, fetch_result
from instep.flow.settlement import Fate, Refusal, Resend, Settlement, Verdict, final_fate
from instep.lambda_.payloads import CollectionOutcome
from instep.wording import number_text

_SENT_AT_ONCE: Final = 2_000_000  # bytes of records on their way back
_REFUSED_AT_ONCE: Final = 100


@dataclass(frozen=True)
class Judged:
    """A collection's entries: the verdict of all but those, by index, with one of their `own`.

    `done` is what its domain has done and is, by now, published.
    """

    collection: str
    batch: BatchRef
    verdict: Verdict
    own: Mapping[int, Verdict] = field(default_factory=dict)
    done: Sequence[Mapping[str, Any]] = ()

    @property
    def is_applied(self) -> bool:
        """Whether nothing of it is left to do."""
        return self.verdict.fate is Fate.APPLIED and not self.own


@dataclass(frozen=True)
class Untold:
    """An awaited entry that was not applied, and the collection whose verdict that is."""

    collection: str
    entry: Entry
    verdict: Verdict


@dataclass
class Weighed:
    """What became of every record, where not all of it was applied; and who is to be told."""

    verdicts: dict[str, dict[int, Verdict]] = field(default_factory=dict)
    untold: list[Untold] = field(default_factory=list)


def judge(parking: Parking, outcome: CollectionOutcome) -> Judged:
    """Return what became of a collection: what ended it, or what its result says of each entry."""
    if outcome.result is None:
        fate = Fate.STALLED if outcome.fate is Fate.FAILED else outcome.fate
        return Judged(outcome.collection, outcome.batch, Verdict(fate, outcome.reason))
    result = Outcome.from_payload(fetch_result(parking, outcome.result))
    own = {one.index: _verdict(one) for one in result.failures}
    return Judged(outcome.collection, outcome.batch, Verdict(Fate.APPLIED), own, result.done)


def _verdict(failure: SignalFailure) -> Verdict:
    reason = f"{failure.error}: {failure.reason}"
    if failure.waits:
        return Verdict(Fate.DEFERRED, reason)
    return Verdict(Fate.REJECTED if failure.final else Fate.FAILED, reason)


def weigh(parking: Parking, judged: Sequence[Judged]) -> Weighed:
    """Return every record's verdict a collection, nothing if all is applied; of several messages
    of a record the worst counts.
    """
    weighed = Weighed()
    if all(one.is_applied for one in judged):
        return weighed
    for one in judged:
        verdicts = weighed.verdicts.setdefault(one.collection, {})
        for index, entry in enumerate(fetch_entries(parking, one.batch)):
            verdict = one.own.get(index, one.verdict)
            for at in entry.origins:
                verdicts[at] = verdict.worse_of(verdicts.get(at))
            if verdict.fate is not Fate.APPLIED and entry.awaited:
                weighed.untold.append(Untold(one.collection, entry, verdict))
    return weighed


def told(untold: Iterable[Untold], deliveries: Deliveries) -> list[Told]:
    """Return what is to be said of awaited entries: while a record of one comes back, not over."""
    return [
        Told(
            one.collection,
            one.entry.message,
            given_up=final_fate(one.verdict, min(map(deliveries.attempts, one.entry.origins)))
            is Fate.REJECTED,
            reason=one.verdict.reason,
        )
        for one in untold
    ]


def return_records(
    inbox: Inbox, deliveries: Deliveries, settlement: Settlement, execution: str
) -> None:
    """Put what was not applied where it belongs: the inbox, or the DLQ with its reason."""
    ways: dict[int, list[Resend | Refusal]] = defaultdict(list)
    for how, records in settlement.resend.items():
        for at in records:
            ways[at].append(how)
    for refusal in settlement.refuse:
        ways[refusal.record].append(refusal)
    if not ways:
        return
    returning = _Returning(inbox, execution)
    for at, record in enumerate(deliveries.records()):
        for way in ways.get(at, ()):
            if isinstance(way, Resend):
                returning.send(way, record)
            else:
                brought = deliveries.brought(at)
                returning.refuse(way, record, brought.message_id if brought else None)
    returning.finish()


def cause_of(settlement: Settlement) -> str:
    """Return one paragraph on what failed, where, and where its records are; "" if nothing did."""
    if not settlement.failed:
        return ""
    lines = [
        f"{collection}: {number_text(count, 'change')} failed with {reason[:240]}"
        for (collection, reason), count in settlement.failures.most_common(3)
    ]
    again = settlement.failed - settlement.given_up
    where = f"Waiting in the inbox, to be tried again: {number_text(again, 'record')}; "
    if settlement.given_up:
        where += (
            f"in the DLQ, each with this error: {number_text(settlement.given_up, 'record')}. See "
            f"`instep status`, and `instep redrive` once it is cured."
        )
    else:
        where += "see `instep status`."
    return f"{'; '.join(lines)}. {where}"


class _Returning:
    """Records on their way back, sent as soon as they are many."""

    def __init__(self, inbox: Inbox, execution: str) -> None:
        self._inbox, self._execution = inbox, execution
        self._groups: dict[Resend, list[Json]] = defaultdict(list)
        self._bytes = 0
        self._refused: list[Rejection] = []

    def send(self, how: Resend, record: Json) -> None:
        self._groups[how].append(record)
        self._bytes += size_of(record)
        if self._bytes >= _SENT_AT_ONCE:
            self._send()

    def refuse(self, refusal: Refusal, record: Json, message_id: str | None) -> None:
        self._refused.append(
            Rejection(record, refusal.reason, refusal.attempts, message_id, refusal.collection)
        )
        if len(self._refused) >= _REFUSED_AT_ONCE:
            self._refuse()

    def finish(self) -> None:
        self._send()
        self._refuse()

    def _send(self) -> None:
        self._inbox.send_all(
            [
                message
                for how, records in self._groups.items()
                for message in _messages(how, records)
            ]
        )
        self._groups.clear()
        self._bytes = 0

    def _refuse(self) -> None:
        self._inbox.reject(self._refused, self._execution)
        self._refused = []


def _messages(how: Resend, records: Sequence[Json]) -> list[Outgoing]:
    return outgoing(
        records,
        collection=how.collection,
        attempts=how.attempts,
        error=how.error,
        delay=how.delay,
    )
