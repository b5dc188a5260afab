"""What becomes of every delivery once its collections are through: pure, decided record by record.

The rules are docs/design.md, "SettleBatch" and invariant 1: an applied record is acknowledged, a
deferred one comes back untouched, a failed one comes back for its collection alone with its error
and one attempt more, and poison or a record that failed too often goes to the DLQ with its reason.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from instep.batch import Deliveries, Entry
from instep.envelope import Record

MAX_ATTEMPTS: Final = 5
RETRY_DELAYS: Final = (0, 30, 120, 480)  # seconds, after the first, second … failure


class Fate(Enum):
    """What became of an entry in its collection."""

    APPLIED = "applied"
    DEFERRED = "deferred"  # it was nobody's fault: a busy or lost lease, a moved head
    FAILED = "failed"  # a later attempt may succeed
    REJECTED = "rejected"  # no attempt can


@dataclass(frozen=True)
class Verdict:
    """A fate and, unless applied, its reason."""

    fate: Fate
    reason: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one collection's entries: one verdict each, in order."""

    collection: str
    entries: Sequence[Entry]
    verdicts: Sequence[Verdict]


@dataclass(frozen=True)
class Resend:
    """How a group of records goes back into the inbox."""

    collection: str
    attempts: int
    error: str | None
    delay: int


@dataclass(frozen=True)
class Refusal:
    """A record for the DLQ: the index of its origin, where, why, and after how many failures."""

    origin: int
    collection: str
    reason: str
    attempts: int


@dataclass
class Settlement:
    """What to do, in this order: send again, refuse, then acknowledge or hand back."""

    resend: dict[Resend, list[Record]] = field(default_factory=lambda: defaultdict(list))
    refuse: list[Refusal] = field(default_factory=list)
    acknowledge: list[str] = field(default_factory=list)  # handles
    hand_back: list[str] = field(default_factory=list)  # handles
    deferred: int = 0  # records and collections, as are the next two
    failed: int = 0
    rejected: int = 0

    @property
    def waits(self) -> int:
        """Return after how many seconds the last of what comes back does."""
        return max((how.delay for how in self.resend), default=0)


def final_fate(verdict: Verdict, attempts: int) -> Fate:
    """Return the fate after counting this failure: the last attempt's failure is a rejection."""
    if verdict.fate is Fate.FAILED and attempts + 1 >= MAX_ATTEMPTS:
        return Fate.REJECTED
    return verdict.fate


def attempts_of(entry: Entry, deliveries: Deliveries) -> int:
    """Return the fewest failures counted on a record of the entry: while one returns, all do."""
    return min((_attempts(origin, deliveries) for origin in entry.origins), default=0)


def settle(deliveries: Deliveries, outcomes: Sequence[Outcome]) -> Settlement:
    """Decide for every record of every outcome; a delivery is acknowledged only when all is."""
    settlement = Settlement()
    verdicts = _by_origin(outcomes)
    brought: dict[int | None, list[int]] = defaultdict(list)
    for at, origin in enumerate(deliveries.origins):
        brought[origin.delivery].append(at)
    for index, held in enumerate(deliveries.held):
        mine = brought[index]
        fates = {verdict.fate for at in mine for verdict in verdicts[at].values()}
        if fates == {Fate.DEFERRED}:
            settlement.hand_back.append(held.handle)
            settlement.deferred += sum(len(verdicts[at]) for at in mine)
            continue
        settlement.acknowledge.append(held.handle)
        for at in mine:
            _return(settlement, deliveries, at, verdicts[at])
    for at in brought[None]:
        _return(settlement, deliveries, at, verdicts[at])
    return settlement


def _return(
    settlement: Settlement, deliveries: Deliveries, at: int, verdicts: Mapping[str, Verdict]
) -> None:
    """Put one record where each of its collections' verdicts sends it."""
    record, attempts = deliveries.origins[at].record, _attempts(at, deliveries)
    for collection, verdict in verdicts.items():
        fate = final_fate(verdict, attempts)
        if fate is Fate.DEFERRED:
            settlement.resend[Resend(collection, attempts, None, 0)].append(record)
            settlement.deferred += 1
        elif fate is Fate.FAILED:
            again = Resend(collection, attempts + 1, verdict.reason, RETRY_DELAYS[attempts])
            settlement.resend[again].append(record)
            settlement.failed += 1
        elif fate is Fate.REJECTED:
            settlement.refuse.append(Refusal(at, collection, verdict.reason, attempts + 1))
            settlement.failed += verdict.fate is Fate.FAILED
            settlement.rejected += 1


def _by_origin(outcomes: Sequence[Outcome]) -> dict[int, dict[str, Verdict]]:
    """Return each record's verdict a collection; of several messages of it the worst counts."""
    worst = [Fate.APPLIED, Fate.DEFERRED, Fate.FAILED, Fate.REJECTED]
    found: dict[int, dict[str, Verdict]] = defaultdict(dict)
    for outcome in outcomes:
        for entry, verdict in zip(outcome.entries, outcome.verdicts, strict=True):
            for at in entry.origins:
                before = found[at].get(outcome.collection, verdict)
                if worst.index(verdict.fate) >= worst.index(before.fate):
                    found[at][outcome.collection] = verdict
    return found


def _attempts(at: int, deliveries: Deliveries) -> int:
    index = deliveries.origins[at].delivery
    return 0 if index is None else deliveries.held[index].attempts
