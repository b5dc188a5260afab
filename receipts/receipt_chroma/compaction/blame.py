"""Which messages fail for what was set aside: all that touched it, and no other.

A message failed so goes to the DLQ with the reason; what came with it is applied.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from instep.deriving import OVER_AN_ITEM
from instep.errors import MessageRejected
from receipt_chroma.compaction.identity import EmbeddingId, ReceiptId
from receipt_chroma.compaction.labels import LABEL_FIELDS
from receipt_chroma.compaction.metadata import MERCHANT_FIELDS
from receipt_chroma.compaction.result import MessageFailure
from receipt_chroma.compaction.touched import Touched, is_arrival, note

if TYPE_CHECKING:
    from instep.chroma.carriable import Refusal
    from receipt_dynamo_stream import StreamMessage


def failures_of(
    messages: Iterable["StreamMessage"], collection: str, refusals: Mapping[str, "Refusal"]
) -> list[MessageFailure]:
    """Return a final failure for every message that touched an embedding, or the very fields of
    it, that was set aside; `refusals` is by embedding id.
    """
    refused: dict[ReceiptId, list[tuple[EmbeddingId, Refusal]]] = defaultdict(list)
    for id_, refusal in refusals.items():
        if (one := EmbeddingId.parse(id_)) is not None:
            refused[one.receipt].append((one, refusal))
    failures = []
    for index, message in enumerate(messages):
        touched = _touched_by(message, collection)
        mine = [
            (one, refusal)
            for receipt in {*touched.receipts, *touched.merchants}
            | {one.receipt for one in touched.labelled | touched.removed}
            for one, refusal in refused.get(receipt, ())
            if _concerns(touched, one, refusal)
        ]
        if mine:
            failures.append(
                MessageFailure(index, MessageRejected.__name__, _reason(mine), final=True)
            )
    return failures


def _touched_by(message: "StreamMessage", collection: str) -> Touched:
    touched = Touched()
    is_ours = collection in {str(one.value) for one in message.collections}
    if is_ours and message.entity_type != "COMPACTION_RUN" and not is_arrival(message):
        try:
            note(touched, message, collection)
        except OVER_AN_ITEM:
            return Touched()  # it failed before for that
    return touched


def _concerns(touched: Touched, one: EmbeddingId, refusal: "Refusal") -> bool:
    """Say whether what was set aside of an embedding was looked up for this message."""
    if one.receipt in touched.receipts or one in touched.removed:
        return True
    looked_up: set[str] = set()
    if one in touched.labelled:
        looked_up.update(LABEL_FIELDS)
    if one.receipt in touched.merchants:
        looked_up.update(MERCHANT_FIELDS)
    return bool(looked_up & refusal.keys) if refusal.keys else bool(looked_up)


def _reason(refused: list[tuple[EmbeddingId, "Refusal"]]) -> str:
    (first, refusal), *more = sorted(refused, key=lambda pair: pair[0])
    others = f" ({len(more)} more like it)" if more else ""
    return f"{first}{others}: {refusal.reason}"
