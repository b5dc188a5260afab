"""What a batch of messages touched: a message is a signal, its content is never applied.

The rule is design.md's Convergence. Order, duplicates and event names fall away here: who was
touched is looked up afresh in the table, so a REMOVE of what exists again is no removal.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from instep.deriving import OVER_AN_ITEM
from instep.errors import MessageRejected
from receipt_chroma.compaction.identity import EmbeddingId, ReceiptId
from receipt_chroma.compaction.result import MessageFailure
from receipt_chroma.compaction.runs import RunId
from receipt_dynamo_stream.keys import LONGEST_PK, fits

if TYPE_CHECKING:
    from receipt_dynamo_stream import StreamMessage

_ARRIVING: Final = frozenset({"RECEIPT", "RECEIPT_LINE", "RECEIPT_WORD"})
_LARGEST: Final = 10**18  # a key's number has at most 18 digits
_OF_A_RECEIPT: Final = 128  # embeddings, as a receipt has them mostly


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
    """What to look up. `receipts`: every field of every embedding, and whether it still exists;
    `whole`: the same of single ones; `removed`: whether it does.
    """

    receipts: set[ReceiptId] = field(default_factory=set)
    whole: set[EmbeddingId] = field(default_factory=set)
    merchants: set[ReceiptId] = field(default_factory=set)
    removed: set[EmbeddingId] = field(default_factory=set)
    labelled: set[EmbeddingId] = field(default_factory=set)

    def slices(self, most: int) -> Iterator["Touched"]:
        """Yield what to look up in parts of about so many embeddings, a receipt's together.

        How many a receipt has that is looked up whole only the store knows: _OF_A_RECEIPT.
        """
        words: dict[ReceiptId, list[EmbeddingId]] = {}
        for one in self.labelled | self.removed | self.whole:
            words.setdefault(one.receipt, []).append(one)
        receipts = self.receipts | self.merchants
        part, weight = Touched(), 0
        for receipt in sorted(words.keys() | receipts):
            mine = words.get(receipt, [])
            for at in range(0, max(1, len(mine)), most):
                few = set(mine[at : at + most])
                heavy = max(len(few), _OF_A_RECEIPT if receipt in receipts else 0)
                if weight and weight + heavy > most:
                    yield part
                    part, weight = Touched(), 0
                part.receipts |= {receipt} & self.receipts
                part.merchants |= {receipt} & self.merchants
                part.whole |= few & self.whole
                part.removed |= few & self.removed
                part.labelled |= few & self.labelled
                weight += heavy
        if weight:
            yield part


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
            if message.entity_type == "COMPACTION_RUN":
                signals.deltas.append(_delta(index, message, collection))
            elif is_arrival(message):
                signals.arrivals.append(Arrival(index, _receipt(message.entity_data)))
            else:
                note(signals.touched, message, collection)
        except OVER_AN_ITEM as error:
            reason = f"{message.entity_type} {message.event_name}: unreadable ids, {error!r}"
            signals.failures.append(
                MessageFailure(index, MessageRejected.__name__, reason, final=True)
            )
    return signals


def is_arrival(message: "StreamMessage") -> bool:
    """Say whether something that embeddings live with (re)appeared, which touches none of them."""
    return message.event_name == "INSERT" and message.entity_type in _ARRIVING


def note(touched: Touched, message: "StreamMessage", collection: str) -> None:
    """Add what a message touches; it raises one of OVER_AN_ITEM when its ids cannot be read."""
    data, of_words = message.entity_data, collection == "words"
    match message.entity_type:
        case "RECEIPT":
            touched.receipts.add(_receipt(data))
        case "RECEIPT_METADATA" | "RECEIPT_PLACE":
            touched.merchants.add(_receipt(data))
        case "RECEIPT_LINE" if not of_words:
            touched.removed.add(EmbeddingId(_receipt(data), _number(data["line_id"])))
        case "RECEIPT_WORD" if of_words:
            touched.removed.add(_word(data))
        case "RECEIPT_WORD_LABEL" if of_words:
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
    image_id = str(data["image_id"])
    if not image_id or not fits(f"IMAGE#{image_id}", LONGEST_PK):
        raise ValueError(f"image_id is {image_id!r:.80}, which no key can hold")
    return ReceiptId(image_id, _number(data["receipt_id"]))


def _word(data: Mapping[str, Any]) -> EmbeddingId:
    return EmbeddingId(_receipt(data), _number(data["line_id"]), _number(data["word_id"]))


def _number(value: Any) -> int:
    number = int(value)
    if not 0 <= number < _LARGEST:
        raise ValueError(f"{value!r:.80} is no number of a key")
    return number
