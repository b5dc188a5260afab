"""A whole table through the inbox, piece by piece: its items as signals, then the ids carried.

A signal says that something may differ, and whoever applies it writes no more than what does. So it
does not matter in which order the pieces come, what changes meanwhile, or which of them is repeated
after a death; and a table that is in step is gone through without a write.

A *segment* is a share of the table's items, which DynamoDB divides, and then of the ids of the
snapshots, by which what the table no longer knows is found (`instep.flow.recheck`). Where each is,
its state says, and the workflow carries that. Nothing is sent while the inbox is full: it
holds what the next round takes, while one is under way. Live changes are in the same rounds, and
wait for no more than two such fillings.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from instep.aws.aws_errors import storage
from instep.aws.scan import scan_of
from instep.clock import Clock, utc_now
from instep.domain import Domain, Item, Record, RecordRejected
from instep.flow.encoding import encode
from instep.flow.inbox import Inbox
from instep.flow.outgoing import Outgoing
from instep.flow.pace import delay
from instep.flow.recheck import IDS, Recheck, parts_for

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

APART: Final = 2
"""Seconds between two rounds for which FULL and TAKEN are so many. Where rounds are further apart
they are more alike: live changes gather for longer, and several pieces fit into a round.
"""
FULL: Final = 10
"""Messages that wait in the inbox, of 50 records each, beyond which a piece waits for a round."""
TAKEN: Final = 120
"""The same for messages that were taken and are not settled: those of a round that fails, or of a
collection that somebody holds, come back.
"""
PIECE: Final = 750
"""Records that one piece sends, about: some four segments send at a time."""
PARTS: Final = PIECE // IDS
"""Parts of ids that one piece sends: as much work."""
PAGE: Final = 750
"""Items that one call of Scan looks at; 1 MB if that is less."""
SEEN: Final = 20_000
"""Items that one piece looks at, where few of them matter."""
DELAYS: Final = (2, 2, *[3] * 8, 5, 5, 10, 10, 20, 30, 60)
"""Seconds until a full inbox is looked at again, by the looks in a row; no less than half the time
that rounds are apart: there is room where one has just begun, and beside live changes not for long.
Behind a fold there is some within half a minute; longer waits are for who waits for hours, as each
look is a piece of the execution's history.
"""


class Then(StrEnum):
    """What follows a piece (instep/cdk/sync_path.py, `MorePieces?`)."""

    PIECE = "piece"
    WAIT = "wait"
    DONE = "done"


@dataclass(frozen=True)
class Segment:
    """Share `number` of `of`, and where it is.

    `cursor` is the key that the Scan goes on behind. Behind the last item, `parts` says in how many
    parts its share of each collection's ids is rechecked, and `part` how many of all were sent.
    `seen` and `sent` count items and records so far, `waits` looks in a row at a full inbox.
    `bare` are collections that carried nothing when it began: they hold what the table said since.
    """

    number: int
    of: int
    cursor: Mapping[str, Any] | None = None
    parts: Mapping[str, int] | None = None
    part: int = 0
    seen: int = 0
    sent: int = 0
    waits: int = 0
    bare: Sequence[str] | None = None

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "Segment":
        """Read what `to_payload` wrote."""
        return cls(**payload)

    def to_payload(self) -> dict[str, Any]:
        """Return the segment as the JSON one state hands the next."""
        return asdict(self)


@dataclass(frozen=True)
class Step:
    """Where a segment is after a piece, what follows, and after how many seconds."""

    segment: Segment
    then: Then
    pause: int = 0


@dataclass(frozen=True)
class Syncing:
    """What a piece needs. `embeddings` says how many a collection's head has; rounds start `pace`
    seconds apart.
    """

    domain: Domain
    dynamodb: "DynamoDBClient"
    table: str
    inbox: Inbox
    embeddings: Callable[[str], int]
    pace: int = 0
    clock: Clock = utc_now

    def step(self, at: Segment, collections: Sequence[str], until: datetime) -> Step:
        """Go on from `at`: scan a piece, or recheck one; or wait, when the inbox is full.

        StorageUnavailable: the same piece may be tried again, however much of it was sent.
        """
        if at.bare is None:
            at = replace(at, bare=[name for name in collections if not self.embeddings(name)])
        depth = self.inbox.depth()
        if depth.visible > self._more * FULL or depth.in_flight > self._more * TAKEN:
            pause = max(self.pace // 2, delay(DELAYS, at.waits))
            return Step(replace(at, waits=at.waits + 1), Then.WAIT, pause)
        at = replace(at, waits=0)
        if at.parts is None:
            return self._scan(at, collections, until)
        return self._recheck(at)

    @property
    def _more(self) -> float:
        return max(1, self.pace / APART)

    def _scan(self, at: Segment, collections: Sequence[str], until: datetime) -> Step:
        seen, sent, cursor = 0, 0, at.cursor
        while True:
            page = self._page(at, cursor)
            seen += page["ScannedCount"]
            sent += self._send(page["Items"], collections)
            cursor = page.get("LastEvaluatedKey")
            if cursor is None or sent >= PIECE or seen >= SEEN or self.clock() >= until:
                break
        at = replace(at, cursor=cursor, seen=at.seen + seen, sent=at.sent + sent)
        if cursor is not None:
            return self._further(at, full=sent >= PIECE)
        carried = [name for name in collections if name not in (at.bare or ())]
        parts = {name: parts_for(self.embeddings(name), at.of) for name in carried}
        return Step(replace(at, parts=parts), Then.PIECE if parts else Then.DONE)

    def _further(self, at: Segment, *, full: bool) -> Step:
        """Go on; behind a whole piece others have their turn, or the inbox is full."""
        return Step(at, Then.WAIT, DELAYS[0]) if full else Step(at, Then.PIECE)

    def _recheck(self, at: Segment) -> Step:
        """Send the next parts, a message each: one is as much work as a message of records."""
        left = list(islice(_parts(at), at.part, at.part + PARTS))
        self.inbox.send_all([Outgoing((encode(one.to_record()),), {}) for one in left])
        at = replace(at, part=at.part + len(left), sent=at.sent + len(left))
        if at.part == sum((at.parts or {}).values()):
            return Step(at, Then.DONE)
        return self._further(at, full=True)

    def _page(self, at: Segment, cursor: Mapping[str, Any] | None) -> Mapping[str, Any]:
        where: dict[str, Any] = {"Segment": at.number, "TotalSegments": at.of, "Limit": PAGE}
        if cursor is not None:
            where["ExclusiveStartKey"] = cursor
        with storage("scan the table"):
            return self.dynamodb.scan(**scan_of(self.table, self.domain), **where)

    def _send(self, items: Iterable[Item], collections: Sequence[str]) -> int:
        """Queue what the items say, for no other collections; return how many records that is."""
        records = [one for one in map(self.domain.record_of, items) if one is not None]
        if set(collections) == self.domain.collections.keys():
            self.inbox.send(records)
            return len(records)
        sent = 0
        for name in collections:
            mine = [one for one in records if name in self._fed(one)]
            self.inbox.send(mine, collection=name)
            sent += len(mine)
        return sent

    def _fed(self, record: Record) -> set[str]:
        """Return what a record feeds; of one that nobody can read, ParseBatch says why."""
        try:
            signals = self.domain.signals(record)
        except RecordRejected:
            return set(self.domain.collections)
        return {name for signal in signals for name in signal.collections}


def segments(of: int) -> list[Segment]:
    """Return the segments of a sync at its start."""
    return [Segment(number, of) for number in range(of)]


def _parts(at: Segment) -> Iterator[Recheck]:
    """Yield the parts of a segment's share: of all ids those whose hash modulo `of` is its number.

    So shares make a whole, into however many parts each of the segments divides its own.
    """
    for name, parts in sorted((at.parts or {}).items()):
        for part in range(parts):
            yield Recheck(name, at.number + part * at.of, parts * at.of)
