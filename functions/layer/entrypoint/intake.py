"""From records to a batch: unpack, parse one by one, set poison aside with its reason, coalesce.

The rules are docs/domain.md, "Messages in the queue": one bad record never takes the rest with
it, and a record that nothing needs is done with.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from entrypoint.telemetry import logger
from instep.batch import Deliveries, Entry, Held, Origin, Signal, coalesce
from instep.envelope import Delivery, Record, Rejection, records_of, unpack
from instep.metrics import Metrics
from receipt_dynamo_stream import RecordRejected, parse_record


@dataclass(frozen=True)
class Intake:
    """What a round took in. `finished` are handles with no work left once poison is in the DLQ."""

    deliveries: Deliveries
    batches: Mapping[str, Sequence[Entry]]
    poison: Sequence[Rejection]
    finished: Sequence[str]


@dataclass(frozen=True)
class _Piece:
    """One record with what is known of its way here."""

    record: Record
    restriction: str | None
    delivery: int | None = None
    attempts: int = 0
    message_id: str | None = None


def take_in(records: Iterable[Record], deliveries: Sequence[Delivery], metrics: Metrics) -> Intake:
    """Parse the input's `records` and the queue's `deliveries` into one batch a collection."""
    origins: list[Origin] = []
    signals: list[Signal] = []
    poison: list[Rejection] = []
    for piece in [*_of_input(records), *_of_queue(deliveries)]:
        metrics.count("CompactionRecordsReceived")
        try:
            found = list(_signals(piece, len(origins)))
        except RecordRejected as rejected:
            logger.warning("Failed to parse SQS message", extra={"reason": str(rejected)})
            metrics.count("CompactionMessageParseError")
            poison.append(_rejection(piece, str(rejected)))
            continue
        if not found:
            metrics.count("StreamRecordsSkipped")
        else:
            metrics.count("CompactionStreamMessage", len(found))
            origins.append(Origin(piece.record, piece.delivery))
            signals += found
    pending = {origin.delivery for origin in origins}
    held = tuple(
        Held(delivery.handle, delivery.message_id, delivery.attempts) for delivery in deliveries
    )
    finished = [one.handle for index, one in enumerate(held) if index not in pending]
    return Intake(Deliveries(held, tuple(origins)), coalesce(signals), poison, finished)


def _of_input(records: Iterable[Record]) -> Iterator[_Piece]:
    for record in records:
        body = record.get("body", record.get("Body")) if isinstance(record, dict) else None
        inner = records_of(body) if isinstance(body, str) else None
        if inner is None:
            yield _Piece(record, restriction=None)
        else:
            yield from (_Piece(one, _restriction(record)) for one in inner)


def _of_queue(deliveries: Sequence[Delivery]) -> Iterator[_Piece]:
    for index, delivery in enumerate(deliveries):
        for record in unpack(delivery):
            yield _Piece(record, delivery.collection, index, delivery.attempts, delivery.message_id)


def _restriction(record: Record) -> str | None:
    """Return the `collection` of a wrapped inbox message, in Lambda's spelling or SQS's."""
    attributes = record.get("messageAttributes") or record.get("MessageAttributes")
    attribute = attributes.get("collection") if isinstance(attributes, dict) else None
    if not isinstance(attribute, dict):
        return None
    value = attribute.get("stringValue", attribute.get("StringValue"))
    return str(value) if value else None


def _signals(piece: _Piece, origin: int) -> Iterator[Signal]:
    messages = parse_record(piece.record)
    fed = {collection.value for message in messages for collection in message.collections}
    if messages and piece.restriction is not None and piece.restriction not in fed:
        raise RecordRejected(
            f"the message is for the collection {piece.restriction!r}, its record feeds "
            f"{', '.join(sorted(fed))}"
        )
    for message in messages:
        payload = message.to_payload()
        logger.debug("signal", extra={"identity": message.identity, "changes": payload["changes"]})
        collections = [one.value for one in message.collections]
        if piece.restriction is not None:
            collections = [name for name in collections if name == piece.restriction]
        at = message.timestamp if "dynamodb" in piece.record else None  # others' cannot be trusted
        yield Signal(message.identity, collections, payload, origin, at)


def _rejection(piece: _Piece, reason: str) -> Rejection:
    return Rejection(piece.record, reason, piece.attempts, piece.message_id, piece.restriction)
