"""What every touched embedding should carry by the table's current truth, written as a difference.

The rule is design.md's Convergence. Reads follow what was touched: existence where a deletion was
signalled or a delta brings a record, labels of the words signalled, merchants of the receipts.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from instep import collection as store
from instep.difference import Carried, Changes, Wanted, difference
from receipt_chroma.compaction.identity import EmbeddingId, ReceiptId
from receipt_chroma.compaction.labels import LABEL_FIELDS, label_fields
from receipt_chroma.compaction.metadata import MERCHANT_FIELDS

if TYPE_CHECKING:
    from chromadb import Collection

    from instep.difference import Fields, Value
    from receipt_chroma.compaction.foreign import Record
    from receipt_chroma.compaction.labels import Label
    from receipt_chroma.compaction.receipts import ReceiptTable
    from receipt_chroma.compaction.touched import Touched

_IMAGES_A_CALL: Final = 100


@dataclass
class Applied:
    """How many embeddings were written, by receipt, and which delta records were kept.

    `refused` says by id why an embedding could not be written.
    """

    merchants: Counter[ReceiptId] = field(default_factory=Counter)
    labels: Counter[ReceiptId] = field(default_factory=Counter)
    added: set[EmbeddingId] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    deleted: int = 0
    merchants_removed: int = 0
    words_not_found: int = 0


@dataclass
class _Truth:
    gone: set[EmbeddingId]
    merchants: Mapping[ReceiptId, "Fields"]
    labels: Mapping[EmbeddingId, list["Label"]]


class Convergence:
    """One collection and the table it follows."""

    def __init__(self, collection: "Collection", table: "ReceiptTable") -> None:
        self._collection, self._table = collection, table
        self._has_labels = collection.name == "words"

    def apply(
        self, touched: "Touched", records: Mapping[EmbeddingId, "Record"] | None = None
    ) -> Applied:
        """Read the truth of what was touched, write what differs, and say what that was.

        `records` come in with deltas; one whose line or word is not in the table is dropped.
        """
        incoming = records or {}
        carried = self._carried(touched, incoming)
        truth = self._truth(touched, carried, incoming)
        wanted = {
            str(one): self._wanted(one, truth, carried.get(one), incoming.get(one))
            for one in carried.keys() | incoming.keys()
        }
        changes = difference({str(one): have for one, have in carried.items()}, wanted)
        written = store.apply(self._collection, changes)
        applied = _count(written.changes)
        applied.refused = {id_: refusal.reason for id_, refusal in written.refused.items()}
        applied.words_not_found = len(touched.labelled - carried.keys())
        return applied

    def present(self, ids: Iterable[EmbeddingId]) -> set[EmbeddingId]:
        """Return those of these embeddings that the collection holds."""
        named = {str(one): one for one in ids}
        return {named[id_] for id_ in store.present(self._collection, named)}

    def _carried(
        self, touched: "Touched", incoming: Iterable[EmbeddingId]
    ) -> dict[EmbeddingId, Carried]:
        ids = [str(one) for one in {*touched.labelled, *touched.removed, *incoming}]
        found = dict(store.read(self._collection, ids=ids)) if ids else {}
        receipts = touched.receipts | touched.merchants
        for where in _filters(receipts):
            found.update(store.read(self._collection, where=where))
        named = {EmbeddingId.parse(id_): have for id_, have in found.items()}
        named_by_us = touched.labelled | touched.removed | set(incoming)
        return {
            one: have
            for one, have in named.items()
            if one is not None and (one.receipt in receipts or one in named_by_us)
        }

    def _truth(
        self,
        touched: "Touched",
        carried: Mapping[EmbeddingId, Carried],
        incoming: Mapping[EmbeddingId, "Record"],
    ) -> _Truth:
        whole = {one for one in carried if one.receipt in touched.receipts}
        checked = whole | (touched.removed & carried.keys()) | incoming.keys()
        existing = self._table.existing(
            [*(one.key for one in checked), *(one.key() for one in touched.receipts)]
        )
        removed = {one for one in touched.receipts if one.key() not in existing}
        gone = {one for one in checked if one.key not in existing}
        gone |= {one for one in whole if one.receipt in removed}
        living = (carried.keys() | incoming.keys()) - gone
        whole |= incoming.keys()
        merchants = {one.receipt for one in whole & living}
        merchants |= touched.merchants & {one.receipt for one in living}
        words = (whole | touched.labelled) & living if self._has_labels else set()
        return _Truth(gone, self._table.merchants(merchants), self._table.labels(words))

    def _wanted(
        self, one: EmbeddingId, truth: _Truth, have: Carried | None, record: "Record | None"
    ) -> Wanted | None:
        if one in truth.gone:
            return None
        fields: dict[str, Value | None] = {}
        known = dict(have.metadata) if have is not None else {}
        if record is not None:
            fields |= record.metadata
            fields |= one.fields()
            known |= record.metadata
        fields |= truth.merchants.get(one.receipt, {})
        if one in truth.labels:
            fields |= label_fields(truth.labels[one], known)
        if record is None:
            return Wanted(fields)
        return Wanted(fields, record.document, record.embedding)


def _filters(receipts: Iterable[ReceiptId]) -> Iterator[dict[str, object]]:
    """Yield `where` filters that find all embeddings of the receipts, and perhaps some more."""
    numbers: dict[str, set[int]] = {}
    for one in receipts:
        numbers.setdefault(one.image_id, set()).add(one.receipt_id)
    images = sorted(numbers)
    for at in range(0, len(images), _IMAGES_A_CALL):
        chunk = images[at : at + _IMAGES_A_CALL]
        wanted = sorted(set().union(*(numbers[image] for image in chunk)))
        yield {"$and": [{"image_id": {"$in": chunk}}, {"receipt_id": {"$in": wanted}}]}


def _count(changes: Changes) -> Applied:
    applied = Applied(deleted=len(changes.deletes))
    for id_, update in changes.updates.items():
        one = EmbeddingId.parse(id_)
        if one is None:
            continue
        merchant = [key for key in MERCHANT_FIELDS if key in update.metadata]
        applied.merchants[one.receipt] += bool(merchant)
        applied.merchants_removed += any(update.metadata[key] is None for key in merchant)
        applied.labels[one.receipt] += any(key in update.metadata for key in LABEL_FIELDS)
    parsed = (EmbeddingId.parse(id_) for id_ in changes.adds)
    applied.added = {one for one in parsed if one is not None}
    return applied
