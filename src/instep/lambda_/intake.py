"""From records to a batch: unpack, parse one by one, set poison aside with its reason, coalesce.

The rules are docs/domain.md, "Messages in the queue": one bad record never takes the rest with
it, and a record that nothing needs is done with. A round may hold a hundred thousand records: they
are kept as compressed text, and what else a drain brought waits for the next round.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from logging import DEBUG
from typing import Any, Final

from instep.flow.batch import Entry, Signal, coalesce
from instep.flow.encoding import Json, TooDeep, encode, size_of, written
from instep.flow.envelope import BYTES_PER_MESSAGE, Delivery, Record, Rejection, records_of, unpack
from instep.flow.parking import Held, Lines
from instep.lambda_.telemetry import logger
from instep.metrics import Metrics
from receipt_dynamo_stream import RecordRejected, StreamMessage, parse_record

WORK_PER_ROUND: Final = 100_000  # records
WORK_OF_A_RUN: Final = 500  # records that are as much: a run brings a receipt's vectors


@dataclass(frozen=True)
class Intake:
    """What a round took in.

    `records` are those of `held`, or the input's, in order. `finished` are handles with no work
    left once poison is in the DLQ; `left_over` are handles of what was too much for one round.
    """

    held: Sequence[Held]
    records: Lines
    batches: Mapping[str, Sequence[Entry]]
    poison: Sequence[Rejection]
    finished: Sequence[str]
    left_over: Sequence[str]


def take_in(records: Iterable[Record], deliveries: Sequence[Delivery], metrics: Metrics) -> Intake:
    """Parse the input's `records` and the queue's `deliveries` into one batch a collection."""
    taking = _Taking(metrics)
    batches = coalesce(taking.signals(records, deliveries))
    return Intake(
        taking.held, taking.records, batches, taking.poison, taking.finished, taking.left_over
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

    metrics: Metrics
    records: Lines = field(default_factory=Lines)
    held: list[Held] = field(default_factory=list)
    poison: list[Rejection] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    work: int = 0

    def signals(
        self, records: Iterable[Record], deliveries: Sequence[Delivery]
    ) -> Iterator[Signal]:
        for piece in _of_input(records):
            yield from self._piece(piece)
        for delivery in deliveries:
            if self.work >= WORK_PER_ROUND:
                self.left_over.append(delivery.handle)
            else:
                yield from self._delivery(delivery)

    def _delivery(self, delivery: Delivery) -> Iterator[Signal]:
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

    def _piece(self, piece: _Piece) -> Iterator[Signal]:
        self.work += 1
        self.metrics.count("CompactionRecordsReceived")
        try:
            messages = _messages(piece)
        except RecordRejected as rejected:
            logger.warning("Failed to parse SQS message", extra={"reason": str(rejected)})
            self.metrics.count("CompactionMessageParseError")
            self.poison.append(_rejection(piece, str(rejected)))
            return
        if not messages:
            self.metrics.count("StreamRecordsSkipped")
            return
        self.metrics.count("CompactionStreamMessage", len(messages))
        if messages[0].entity_type == "COMPACTION_RUN":
            self.work += WORK_OF_A_RUN
        for text, about in _kept(piece.record, messages):
            origin = self.records.add(text)
            for message in about:
                yield _signal(piece, message, origin)


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


def _messages(piece: _Piece) -> list[StreamMessage]:
    """Return the messages of a record, none when nothing follows from it; or RecordRejected."""
    messages = parse_record(piece.record)
    fed = {collection.value for message in messages for collection in message.collections}
    if messages and piece.restriction is not None and piece.restriction not in fed:
        raise RecordRejected(
            f"the message is for the collection {piece.restriction!r:.80}, its record feeds "
            f"{', '.join(sorted(fed))}"
        )
    return messages


def _signal(piece: _Piece, message: StreamMessage, origin: int) -> Signal:
    if message.changes and logger.log_level <= DEBUG:
        changes = message.to_payload()["changes"]
        logger.debug("signal", extra={"identity": message.identity, "changes": changes})
    collections = [one.value for one in message.collections]
    if piece.restriction is not None:
        collections = [name for name in collections if name == piece.restriction]
    at = message.timestamp if "dynamodb" in piece.record else None  # others' cannot be trusted
    return Signal(message.identity, collections, encode(_bare(message)), origin, at)


def _kept(
    record: Record, messages: Sequence[StreamMessage]
) -> Iterator[tuple[Json, Sequence[StreamMessage]]]:
    """Yield what is kept of a record, to be sent again if need be, and the messages it stands for.

    That is the record; or, when a message cannot carry it, its signals, which are all that matters.
    """
    try:
        text = encode(record)
    except TooDeep:
        text = written(record)
        fits = False
    else:
        fits = size_of(text) <= BYTES_PER_MESSAGE
    if fits or not all(map(_reads_back, messages)):
        yield text, messages
    else:
        for message in messages:
            yield encode(_bare(message)), [message]


def _reads_back(message: StreamMessage) -> bool:
    """Say whether a message can be sent itself; an older delta notice cannot."""
    try:
        return bool(parse_record(_bare(message)))
    except RecordRejected:
        return False


def _bare(message: StreamMessage) -> dict[str, Any]:
    """Return a message without its changes, which are logged and never applied."""
    return replace(message, changes={}).to_payload()


def _rejection(piece: _Piece, reason: str) -> Rejection:
    record = written(piece.record)
    return Rejection(record, reason, piece.attempts, piece.message_id, piece.restriction)
