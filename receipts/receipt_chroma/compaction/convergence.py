"""What every touched embedding should carry by the table's current truth, written as a difference.

The rule is design.md's Convergence. It goes in slices, so that memory follows a slice and not what
was touched; an embedding that cannot be derived or written is set aside, and the others go on.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from instep.batched import batched
from instep.chroma import collection as store
from instep.chroma.carriable import Refusal
from instep.difference import Carried, Changes, Wanted, difference
from receipt_chroma.compaction.identity import EmbeddingId, ReceiptId
from receipt_chroma.compaction.labels import LABEL_FIELDS
from receipt_chroma.compaction.metadata import MERCHANT_FIELDS
from receipt_chroma.compaction.touched import Touched
from receipt_chroma.compaction.truth import Truth, read_truth

if TYPE_CHECKING:
    import chromadb

    from instep.chroma.foreign.records import Record
    from instep.difference import Value
    from receipt_chroma.compaction.receipts import ReceiptTable

MOST: Final = 5000  # embeddings looked up, derived and written at once
_IMAGES_A_CALL: Final = 100
_LOG: Final = 20_000  # records that each write of chromadb's reads again, before it is reopened


@dataclass
class Applied:
    """How many embeddings were written, by receipt, which delta records were kept, and by id which
    embeddings were set aside, wholly or in the fields that their refusal names.
    """

    merchants: Counter[ReceiptId] = field(default_factory=Counter)
    labels: Counter[ReceiptId] = field(default_factory=Counter)
    added: set[EmbeddingId] = field(default_factory=set)
    deleted: int = 0
    merchants_removed: int = 0
    words_not_found: int = 0
    refusals: dict[str, Refusal] = field(default_factory=dict)

    @property
    def refused(self) -> dict[str, str]:
        """Why embeddings were set aside, by id."""
        return {id_: refusal.reason for id_, refusal in self.refusals.items()}

    def add(self, other: "Applied") -> None:
        """Take in what another slice came to."""
        self.merchants += other.merchants
        self.labels += other.labels
        self.added |= other.added
        self.deleted += other.deleted
        self.merchants_removed += other.merchants_removed
        self.words_not_found += other.words_not_found
        self.refusals |= other.refusals


class Convergence:
    """One collection and the table it follows.

    `reopened` returns the collection with a log that is short again.
    """

    def __init__(
        self,
        collection: "chromadb.Collection",
        table: "ReceiptTable",
        reopened: "Callable[[], chromadb.Collection] | None" = None,
    ) -> None:
        self._collection, self._table, self._reopened = collection, table, reopened
        self._of_words = collection.name == "words"
        self._written = 0  # since it was opened

    def apply(
        self, touched: Touched, records: Mapping[EmbeddingId, "Record"] | None = None
    ) -> Applied:
        """Read the truth of what was touched, write what differs, and say what that was.

        `records` come in with deltas; one whose item or receipt is not in the table is dropped, and
        one that cannot be written whole is not written at all.
        """
        applied = Applied()
        for slice_ in touched.slices(MOST):
            applied.add(self._apply(slice_, {}))
        for few in _slices(records or {}):
            applied.add(self._apply(Touched(), few))
        return applied

    def present(self, ids: Iterable[EmbeddingId]) -> set[EmbeddingId]:
        """Return those of these embeddings that the collection holds."""
        named = {str(one): one for one in ids}
        return {named[id_] for id_ in store.present(self._collection, named)}

    def _apply(self, touched: Touched, incoming: Mapping[EmbeddingId, "Record"]) -> Applied:
        ids = {*touched.labelled, *touched.removed, *touched.whole, *incoming}
        named = {str(one): one for one in ids}
        carried = self._carried(touched, named)
        known = {named[id_] for id_ in carried}
        truth = read_truth(self._table, touched, known, incoming, of_words=self._of_words)
        wanted: dict[str, Wanted | None] = {}
        refusals: dict[str, Refusal] = {}
        for id_, one in named.items():
            if id_ not in carried and one not in incoming:
                continue
            want, refusal = _wanted(one, truth, carried.get(id_), incoming.get(one))
            if want is not None and one in touched.whole:
                want = replace(want, fields={**one.fields(), **want.fields})
            if refusal is not None:
                refusals[id_] = refusal
            if refusal is None or one not in incoming:
                wanted[id_] = want
        written = self._write(difference(carried, wanted))
        applied = _count(written.changes, named)
        applied.words_not_found = len(touched.labelled - known)
        for id_, refusal in written.refused.items():
            refusals[id_] = refusals[id_] + refusal if id_ in refusals else refusal
        applied.refusals = refusals
        return applied

    def _write(self, changes: Changes) -> store.Written:
        if self._reopened is not None and self._written >= _LOG:
            self._collection, self._written = self._reopened(), 0
        self._written += len(changes)
        return store.apply(self._collection, changes)

    def _carried(self, touched: Touched, named: dict[str, EmbeddingId]) -> dict[str, Carried]:
        """Read what the embeddings `named` carry, and those of whole receipts, which are named."""
        receipts = touched.receipts | touched.merchants
        ids = set(named)
        found: dict[str, Carried] = {}
        for where in _filters(receipts):
            for id_, have in store.read(self._collection, where=where).items():
                one = named.get(id_) or EmbeddingId.parse(id_)
                if one is not None and one.receipt in receipts:
                    named[id_] = one
                    found[id_] = have
        return found | store.read(self._collection, ids=ids - found.keys())


def _slices(records: Mapping[EmbeddingId, "Record"]) -> Iterator[dict[EmbeddingId, "Record"]]:
    """Yield records in parts that bound what is held at once, those of a receipt together."""
    for ids in batched(sorted(records), MOST):
        yield {one: records[one] for one in ids}


def _wanted(
    one: EmbeddingId, truth: Truth, have: Carried | None, record: "Record | None"
) -> tuple[Wanted | None, Refusal | None]:
    """Return what an embedding should carry, None for nothing, and why some of it is not known."""
    if one in truth.gone:
        return None, None
    known: Mapping[str, Value] = have.metadata if have is not None else {}
    if record is None:
        fields, refusal = truth.fields(one, known)
        return Wanted(fields), refusal
    fields, refusal = truth.fields(one, {**known, **record.metadata})
    whole = {**record.metadata, **one.fields(), **fields}
    return Wanted(whole, record.document, record.embedding), refusal


def _filters(receipts: Iterable[ReceiptId]) -> Iterator[dict[str, object]]:
    """Yield `where` filters that find all embeddings of the receipts, and perhaps some more."""
    numbers: dict[str, set[int]] = {}
    for one in receipts:
        numbers.setdefault(one.image_id, set()).add(one.receipt_id)
    for chunk in batched(sorted(numbers), _IMAGES_A_CALL):
        wanted = sorted(set().union(*(numbers[image] for image in chunk)))
        yield {"$and": [{"image_id": {"$in": chunk}}, {"receipt_id": {"$in": wanted}}]}


def _count(changes: Changes, named: Mapping[str, EmbeddingId]) -> Applied:
    applied = Applied(deleted=len(changes.deletes))
    for id_, update in changes.updates.items():
        receipt = named[id_].receipt
        merchant = update.metadata.keys() & MERCHANT_FIELDS
        if merchant:
            applied.merchants[receipt] += 1
            applied.merchants_removed += any(update.metadata[key] is None for key in merchant)
        if not update.metadata.keys().isdisjoint(LABEL_FIELDS):
            applied.labels[receipt] += 1
    applied.added = {named[id_] for id_ in changes.adds}
    return applied
