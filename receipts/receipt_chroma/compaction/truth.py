"""The table's current truth of what was touched: who is gone, and what the others should carry.

An embedding exists exactly when its own LINE or WORD item does and its RECEIPT item too
(docs/domain.md). What is asked of the table follows what was touched: existence where a removal was
signalled or a delta brings a record, labels of the words signalled, merchants of the receipts.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instep.chroma.carriable import Refusal
from instep.deriving import derived
from receipt_chroma.compaction.labels import LABEL_FIELDS, Label, label_fields
from receipt_chroma.compaction.metadata import MERCHANT_FIELDS, merchant_fields

if TYPE_CHECKING:
    from instep.difference import Fields, Value
    from receipt_chroma.compaction.attributes import Item
    from receipt_chroma.compaction.identity import EmbeddingId, ReceiptId
    from receipt_chroma.compaction.receipts import Merchant, ReceiptTable
    from receipt_chroma.compaction.touched import Touched


@dataclass(frozen=True)
class Truth:
    """What the table says: the fields of each receipt's merchant, the labels of each word."""

    gone: Collection["EmbeddingId"]
    merchants: Mapping["ReceiptId", "Fields | Refusal"]
    labels: Mapping["EmbeddingId", Sequence["Item"]]

    def fields(
        self, one: "EmbeddingId", known: Mapping[str, "Value"]
    ) -> tuple["Fields", Refusal | None]:
        """Return the mirrored fields of an embedding, and why some of them cannot be told.

        `known` is what it carries, or is to carry, besides.
        """
        parts: list[Fields | Refusal] = []
        if one.receipt in self.merchants:
            parts.append(self.merchants[one.receipt])
        items = self.labels.get(one)
        if items is not None:
            parts.append(derived(lambda: label_fields(map(Label.of, items), known), LABEL_FIELDS))
        fields: dict[str, Value | None] = {}
        refusal: Refusal | None = None
        for part in parts:
            if isinstance(part, Refusal):
                refusal = part if refusal is None else refusal + part
            else:
                fields |= part
        return fields, refusal


def read_truth(
    table: "ReceiptTable",
    touched: "Touched",
    carried: Collection["EmbeddingId"],
    incoming: Collection["EmbeddingId"],
    *,
    of_words: bool,
) -> Truth:
    """Return the truth of what was touched, of what is `carried` and what is `incoming`."""
    known = {*carried, *incoming}
    whole = {one for one in known if one.receipt in touched.receipts}
    whole |= {*incoming, *(touched.whole & known)}
    checked = whole | (touched.removed & known)
    labelled = (whole | touched.labelled) & known if of_words else set()
    judged = {one.receipt for one in checked} | touched.receipts
    keys = [one.key() for one in judged]
    if not of_words:
        keys += [one.key for one in checked]
    existing = table.existing(keys)
    removed = {one for one in judged if one.key() not in existing}
    gone = {one for one in known if one.receipt in removed}
    gone |= {one for one in whole & touched.whole if (one.word_id is not None) is not of_words}
    if of_words:
        words = table.words(checked - gone, labelled - gone)
        gone |= checked - gone - words.existing
        labels = {one: items for one, items in words.labels.items() if one not in gone}
    else:
        labels = {}
        gone |= {one for one in checked if one.key not in existing}
    merchants = {one.receipt for one in whole - gone}
    merchants |= touched.merchants & {one.receipt for one in known - gone}
    return Truth(gone, _derived(table.merchants(merchants)), labels)


def _derived(found: Mapping["ReceiptId", "Merchant"]) -> dict["ReceiptId", "Fields | Refusal"]:
    """Derive a receipt's merchant once, for all of its embeddings."""

    def derive(merchant: "Merchant") -> "Fields | Refusal":
        return derived(lambda: merchant_fields(merchant.metadata, merchant.place), MERCHANT_FIELDS)

    return {receipt: derive(merchant) for receipt, merchant in found.items()}
