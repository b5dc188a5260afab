"""From records to a batch: unpack, parse one by one, set poison aside with its reason, coalesce.

The rules are docs/domain.md, "Messages in the queue": one bad record never takes the rest with
it, and a record that nothing needs is done with. A round may hold 15,000 records: they are
kept as compressed text, and what else a drain brought waits for the next round.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from logging import DEBUG
from typing import Final

from instep.domain import Domain, RecordRejected, Signal
from instep.flow.batch import Entry, Heard, coalesce
from instep.flow.encoding import Json, TooDeep, encode, size_of, written
from instep.flow.envelope import BYTES_PER_MESSAGE, Delivery, Record, Rejection, records_of, unpack
from instep.flow.parking import Held, Lines
from instep.flow.recheck import Recheck
from instep.lambda_.telemetry import logger
from instep.metrics import Metrics

WORK_PER_ROUND: Final = 15_000  # records: ApplyUpdates gets through them in some ten seconds


@dataclass(frozen=True)
class Intake:
    """What a round took in.

    `records` are those of `held`, or the input's, in order. `finished` are handles with no work
    left once poison is in the DLQ; `left_over` are handles of what was too much for one round, and
    `newer` of what a newer release has to take.
    """

    held: Sequence[Held]
    records: Lines
    batches: Mapping[str, Sequence[Entry]]
    poison: Sequence[Rejection]
    finished: Sequence[str]
    left_over: Sequence[str]
    newer: Sequence[str]


def take_in(
    records: Iterable[Record], deliveries: Sequence[Delivery], domain: Domain, metrics: Metrics
) -> Intake:
    """Parse the input's `records` and the queue's `deliveries` into one batch a collection."""
    taking = _Taking(domain, metrics)
    batches = coalesce(taking.signals(records, deliveries))
    return Intake(
        taking.held,
        taking.records,
        batches,
        taking.poison,
        taking.finished,
        taking.left_over,
        taking.newer,
    )


@dataclass(frozen=True)
class _Piece:
    """One record with what is known of its way here."""

    record: Record
    restriction: str | None
    attempts: int = 0
    message_id: str | None = None


@dataclass
class _Taking:
    """What is set aside while signals stream by."""

    domain: Domain
    metrics: Metrics
    records: Lines = field(default_factory=Lines)
    held: list[Held] = field(default_factory=list)
    poison: list[Rejection] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    newer: list[str] = field(default_factory=list)
    work: int = 0

    def signals(self, records: Iterable[Record], deliveries: Sequence[Delivery]) -> Iterator[Heard]:
        for piece in _of_input(records):
            yield from self._piece(piece)
        for delivery in deliveries:
            if not delivery.is_readable:
                self.newer.append(delivery.handle)
            elif self.work >= WORK_PER_ROUND:
                self.left_over.append(delivery.handle)
            else:
                yield from self._delivery(delivery)

    def _delivery(self, delivery: Delivery) -> Iterator[Heard]:
        first, poison = self.records.count, len(self.poison)
        for record in unpack(delivery):
            piece = _Piece(record, delivery.collection, delivery.attempts, delivery.message_id)
            yield from self._piece(piece)
        mine = self.records.count - first
        if mine:
            is_whole = len(self.poison) == poison
            name, attempts = delivery.message_id, delivery.attempts
            self.held.append(Held(delivery.handle, name, attempts, first, mine, is_whole))
        else:
            self.finished.append(delivery.handle)

    def _piece(self, piece: _Piece) -> Iterator[Heard]:
        self.metrics.count("CompactionRecordsReceived")
        try:
            signals = self._signals(piece)
        except RecordRejected as rejected:
            logger.warning("Failed to parse SQS message", extra={"reason": str(rejected)})
            self.metrics.count("CompactionMessageParseError")
            self.work += 1
            self.poison.append(_rejection(piece, str(rejected)))
            return
        self.work += max([1, *(signal.weight for signal in signals)])
        if not signals:
            self.metrics.count("StreamRecordsSkipped")
            return
        self.metrics.count("CompactionStreamMessage", len(signals))
        for text, about in self._kept(piece.record, signals):
            origin = self.records.add(text)
            for signal in about:
                yield _heard(piece, signal, origin)

    def _signals(self, piece: _Piece) -> Sequence[Signal]:
        """Return the signals of a record, none when nothing follows from it; or RecordRejected."""
        recheck = Recheck.read(piece.record)
        signals = self.domain.signals(piece.record) if recheck is None else self._own(recheck)
        fed = {name for signal in signals for name in signal.collections}
        if signals and piece.restriction is not None and piece.restriction not in fed:
            raise RecordRejected(
                f"the message is for the collection {piece.restriction!r:.80}, its record feeds "
                f"{', '.join(sorted(fed))}"
            )
        return signals

    def _own(self, recheck: Recheck) -> Sequence[Signal]:
        """Return the signal of the engine's own record, which no domain is asked about."""
        if recheck.collection not in self.domain.collections:
            there = ", ".join(self.domain.collections)
            raise RecordRejected(f"no collection {recheck.collection!r:.80}; there are {there}")
        return [recheck.signal]

    def _kept(
        self, record: Record, signals: Sequence[Signal]
    ) -> Iterator[tuple[Json, Sequence[Signal]]]:
        """Yield what is kept of a record, to be sent again if need be, and what it stands for.

        That is the record; or, when a message cannot carry it, its signals, which are all that
        matters.
        """
        try:
            text = encode(record)
        except TooDeep:
            text = written(record)
            fits = False
        else:
            fits = size_of(text) <= BYTES_PER_MESSAGE
        if fits or not all(map(self._reads_back, signals)):
            yield text, signals
        else:
            for signal in signals:
                yield encode(signal.content), [signal]

    def _reads_back(self, signal: Signal) -> bool:
        """Say whether a signal can be sent itself; the port asks for it, and not all of it may."""
        try:
            return bool(self.domain.signals(signal.content))
        except RecordRejected:
            return False


def _of_input(records: Iterable[Record]) -> Iterator[_Piece]:
    for record in records:
        body = record.get("body", record.get("Body")) if isinstance(record, dict) else None
        inner = records_of(body) if isinstance(body, str) else None
        if inner is None:
            yield _Piece(record, restriction=None)
        else:
            yield from (_Piece(one, _restriction(record)) for one in inner)


def _restriction(record: Record) -> str | None:
    """Return the `collection` of a wrapped inbox message, in Lambda's spelling or SQS's."""
    attributes = record.get("messageAttributes") or record.get("MessageAttributes")
    attribute = attributes.get("collection") if isinstance(attributes, dict) else None
    if not isinstance(attribute, dict):
        return None
    value = attribute.get("stringValue", attribute.get("StringValue"))
    return value if isinstance(value, str) and value else None


def _heard(piece: _Piece, signal: Signal, origin: int) -> Heard:
    if signal.changes and logger.log_level <= DEBUG:
        extra = {"identity": signal.identity, "changes": signal.changes}
        logger.debug("signal", extra=extra)
    collections = signal.collections
    if piece.restriction is not None:
        collections = [name for name in collections if name == piece.restriction]
    at = signal.at if "dynamodb" in piece.record else None  # others' cannot be trusted
    return Heard(signal.identity, collections, encode(signal.content), origin, at, signal.awaited)


def _rejection(piece: _Piece, reason: str) -> Rejection:
    record = written(piece.record)
    return Rejection(record, reason, piece.attempts, piece.message_id, piece.restriction)
