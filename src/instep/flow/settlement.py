"""What becomes of every delivery once its collections are through: pure, decided record by record.

The rules are docs/design.md, "SettleBatch", and invariants 1 and 8. An applied record is
acknowledged. One whose collection was busy, or failed as a whole, did nothing wrong: it waits and
comes back as it is, however often, for its receives and its collection's failures are no attempts
of its own. One that failed itself comes back for its collection alone, with its error and one
attempt more. Poison, or what failed too often itself, goes to the DLQ with its reason.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from instep.flow.parking import Deliveries

MAX_ATTEMPTS: Final = 5
RETRY_DELAYS: Final = (0, 30, 120, 480)  # seconds, after the first, second … own failure


class Fate(Enum):
    """What became of an entry in its collection, from best to worst."""

    APPLIED = "applied"
    DEFERRED = "deferred"  # its collection was busy: a lease held or lost, a moved head
    STALLED = "stalled"  # its collection failed as a whole: it could not open, its function died
    FAILED = "failed"  # itself, and a later attempt may succeed
    REJECTED = "rejected"  # itself, and no attempt can


WAITING: Final = frozenset({Fate.DEFERRED, Fate.STALLED})
Waits: TypeAlias = Mapping[Fate, int]
"""Seconds until what waits comes back, by why it does."""

_WORST_LAST: Final = list(Fate)


@dataclass(frozen=True)
class Verdict:
    """A fate and, unless applied, its reason."""

    fate: Fate
    reason: str = ""

    def worse_of(self, other: "Verdict | None") -> "Verdict":
        """Return what counts of two verdicts about one record."""
        if other is None or _WORST_LAST.index(self.fate) >= _WORST_LAST.index(other.fate):
            return self
        return other


Verdicts: TypeAlias = Mapping[str, Mapping[int, Verdict]]
"""Collection -> index of a record -> what became of it there."""


@dataclass(frozen=True)
class Resend:
    """How a group of records goes back into the inbox; `delay` in seconds."""

    collection: str
    attempts: int
    error: str | None
    delay: int


@dataclass(frozen=True)
class Refusal:
    """A record for the DLQ: its index, where, why, and after how many failures of its own."""

    record: int
    collection: str
    reason: str
    attempts: int


@dataclass
class Settlement:
    """What to do, in this order: send again, refuse, then acknowledge or hand back."""

    resend: dict[Resend, list[int]] = field(default_factory=lambda: defaultdict(list))
    refuse: list[Refusal] = field(default_factory=list)
    acknowledge: list[str] = field(default_factory=list)  # handles
    hand_back: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Seconds until they are visible -> handles."""
    deferred: int = 0  # records and collections, as are the next two
    rejected: int = 0
    given_up: int = 0  # of the rejected, those that had failed too often
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Collection and reason -> how many records failed so: themselves, or all of it."""

    @property
    def failed(self) -> int:
        """How many records failed, counted once a collection."""
        return self.failures.total()

    @property
    def waits(self) -> int:
        """Seconds until the last of what comes back is there; 0: nothing will."""
        delays = [*self.hand_back, *(how.delay for how in self.resend)]
        return max([1, *delays]) if delays else 0


def final_fate(verdict: Verdict, attempts: int) -> Fate:
    """Return the fate after counting this failure: the last attempt's failure is a rejection."""
    if verdict.fate is Fate.FAILED and attempts + 1 >= MAX_ATTEMPTS:
        return Fate.REJECTED
    return verdict.fate


def settle(deliveries: Deliveries, verdicts: Verdicts, waits: Waits) -> Settlement:
    """Decide for every record; a record without a verdict has nothing left to do.

    A delivery all of whose records wait is handed back; else what waits of it is sent again, and
    it is acknowledged.
    """
    settlement = Settlement()
    for held in deliveries.held:
        mine = _of(range(held.first, held.first + held.records), verdicts)
        fates = {one.fate for _, _, one in mine}
        if fates and held.is_whole and fates <= WAITING:
            settlement.hand_back[max(waits[fate] for fate in fates)].append(held.handle)
            _count(settlement, mine)
        else:
            settlement.acknowledge.append(held.handle)
            _return(settlement, held.attempts, mine, waits)
    if not deliveries.held:  # the records are the input's own
        given = sorted({at for found in verdicts.values() for at in found})
        _return(settlement, 0, _of(given, verdicts), waits)
    return settlement


_Found: TypeAlias = Sequence[tuple[int, str, Verdict]]


def _of(records: Sequence[int], verdicts: Verdicts) -> _Found:
    return [
        (at, collection, found[at])
        for at in records
        for collection, found in verdicts.items()
        if at in found
    ]


def _return(settlement: Settlement, attempts: int, found: _Found, waits: Waits) -> None:
    """Put records where each of their collections' verdicts sends them."""
    _count(settlement, found)
    for at, collection, verdict in found:
        fate = final_fate(verdict, attempts)
        if fate is Fate.REJECTED:
            settlement.refuse.append(Refusal(at, collection, verdict.reason, attempts + 1))
            settlement.rejected += 1
            settlement.given_up += verdict.fate is Fate.FAILED
        elif fate is not Fate.APPLIED:
            again = _again(collection, attempts, fate, verdict.reason, waits)
            settlement.resend[again].append(at)


def _again(collection: str, attempts: int, fate: Fate, reason: str, waits: Waits) -> Resend:
    """Return how a record goes back: only its own failure counts an attempt."""
    if fate is Fate.FAILED:
        return Resend(collection, attempts + 1, reason, RETRY_DELAYS[attempts])
    return Resend(collection, attempts, reason if fate is Fate.STALLED else None, waits[fate])


def _count(settlement: Settlement, found: _Found) -> None:
    for _, collection, verdict in found:
        settlement.deferred += verdict.fate is Fate.DEFERRED
        if verdict.fate in {Fate.STALLED, Fate.FAILED}:
            settlement.failures[collection, verdict.reason] += 1
