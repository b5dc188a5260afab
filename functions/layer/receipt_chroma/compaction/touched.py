"""What a batch of messages touched: a message is a signal, its content is never applied.

The rule is design.md's Convergence. Order, duplicates and event names fall away here: who was
touched is looked up afresh in the table, so a REMOVE of what exists again is no removal.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from instep.errors import MessageRejected
from receipt_chroma.compaction.identity import EmbeddingId, ReceiptId
from receipt_chroma.compaction.result import MessageFailure
from receipt_chroma.compaction.runs import RunId

if TYPE_CHECKING:
    from receipt_dynamo_stream import StreamMessage


@dataclass(frozen=True)
class DeltaSignal:
    """A delta to merge: its run (None for an older delta notice) and its prefix as sent."""

    index: int
    run: RunId | None
    prefix: str | None
    timestamp: str


@dataclass(frozen=True)
class Arrival:
    """Something of a receipt appeared, perhaps again: a merged run may have vectors of it."""

    index: int
    receipt: ReceiptId


@dataclass
class Touched:
    """What to look up. `receipts`: every field of every embedding, and whether it still exists."""

    receipts: set[ReceiptId] = field(default_factory=set)
    merchants: set[ReceiptId] = field(default_factory=set)
    removed: set[EmbeddingId] = field(default_factory=set)
    labelled: set[EmbeddingId] = field(default_factory=set)


@dataclass
class Signals:
    """A batch for one collection: what it touched, its deltas, what arrived, and who is poison."""

    touched: Touched = field(default_factory=Touched)
    deltas: list[DeltaSignal] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    failures: list[MessageFailure] = field(default_factory=list)


def read_signals(messages: Iterable["StreamMessage"], collection: str) -> Signals:
    """Sort messages by what they touch in `collection`; an unreadable one is a final failure."""
    signals = Signals()
    for index, message in enumerate(messages):
        if collection not in {str(one.value) for one in message.collections}:
            continue
        try:
            _note(signals, index, message, collection)
        except (KeyError, TypeError, ValueError) as error:
            reason = f"{message.entity_type} {message.event_name}: unreadable ids, {error!r}"
            signals.failures.append(
                MessageFailure(index, MessageRejected.__name__, reason, final=True)
            )
    return signals


def _note(signals: Signals, index: int, message: "StreamMessage", collection: str) -> None:
    data, touched = message.entity_data, signals.touched
    words = collection == "words"
    match message.entity_type:
        case "COMPACTION_RUN":
            signals.deltas.append(_delta(index, message, collection))
        case "RECEIPT" | "RECEIPT_LINE" | "RECEIPT_WORD" if message.event_name == "INSERT":
            signals.arrivals.append(Arrival(index, _receipt(data)))
        case "RECEIPT":
            touched.receipts.add(_receipt(data))
        case "RECEIPT_METADATA" | "RECEIPT_PLACE":
            touched.merchants.add(_receipt(data))
        case "RECEIPT_LINE" if not words:
            touched.removed.add(EmbeddingId(_receipt(data), int(data["line_id"])))
        case "RECEIPT_WORD" if words:
            touched.removed.add(_word(data))
        case "RECEIPT_WORD_LABEL" if words:
            touched.labelled.add(_word(data))
        case "RECEIPT_LINE" | "RECEIPT_WORD" | "RECEIPT_WORD_LABEL":
            pass  # it feeds the other collection
        case unknown:
            raise ValueError(f"no such entity: {unknown}")


def _delta(index: int, message: "StreamMessage", collection: str) -> DeltaSignal:
    data = message.entity_data
    run_id = data.get("run_id")
    run = RunId(_receipt(data), str(run_id)) if run_id else None
    prefix = data.get(f"{collection}_delta_prefix") or data.get("delta_s3_prefix")
    return DeltaSignal(index, run, str(prefix) if prefix else None, str(message.timestamp or ""))


def _receipt(data: Mapping[str, Any]) -> ReceiptId:
    return ReceiptId(str(data["image_id"]), int(data["receipt_id"]))


def _word(data: Mapping[str, Any]) -> EmbeddingId:
    return EmbeddingId(_receipt(data), int(data["line_id"]), int(data["word_id"]))
