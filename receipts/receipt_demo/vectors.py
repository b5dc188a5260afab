"""What an embedding producer adds for a receipt: one embedding a line and one a word.

Metadata is as docs/domain.md lists it; a producer also writes the merchant it knows and, on a
word nobody has labelled, `unvalidated`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from instep.embedding.local import unit_vectors
from receipt_demo.items import image_key, line_key, word_key
from receipt_demo.receipts import Receipt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Vectors:
    """Records for one collection: four sequences of one length, as Chroma takes them."""

    ids: Sequence[str]
    embeddings: "NDArray[np.float32]"
    metadatas: Sequence[Mapping[str, Any]]
    documents: Sequence[str]


def vectors_of(receipts: Sequence[Receipt]) -> dict[str, Vectors]:
    """Return the records of these receipts for `lines` and for `words`."""
    return {
        "lines": _vectors([entry for receipt in receipts for entry in _lines(receipt)]),
        "words": _vectors([entry for receipt in receipts for entry in _words(receipt)]),
    }


@dataclass(frozen=True)
class _Entry:
    id: str
    context: str
    document: str
    metadata: Mapping[str, Any]


def _vectors(entries: Sequence[_Entry]) -> Vectors:
    return Vectors(
        ids=[entry.id for entry in entries],
        embeddings=unit_vectors([entry.context for entry in entries]),
        metadatas=[entry.metadata for entry in entries],
        documents=[entry.document for entry in entries],
    )


def _lines(receipt: Receipt) -> Iterator[_Entry]:
    for line, beside in _beside([line.text for line in receipt.lines], receipt.lines):
        first, last = line.words[0], line.words[-1]
        geometry = {"x": first.x, "y": first.y, "width": round(last.x + last.width - first.x, 4)}
        yield _Entry(
            f"{image_key(receipt)}#{line_key(receipt, line.line_id)}",
            beside,
            line.text,
            _own(receipt) | geometry | {"line_id": line.line_id, "text": line.text},
        )


def _words(receipt: Receipt) -> Iterator[_Entry]:
    words = list(receipt.words)
    for word, beside in _beside([word.text for word in words], words):
        geometry = {"x": word.x, "y": word.y, "width": word.width}
        where = {"line_id": word.line_id, "word_id": word.word_id, "text": word.text}
        said = {"label_status": "unvalidated", "valid_labels": "", "invalid_labels": ""}
        yield _Entry(
            f"{image_key(receipt)}#{word_key(receipt, word)}",
            beside,
            word.text,
            _own(receipt) | geometry | where | said | {"confidence": word.confidence},
        )


def _beside(texts: Sequence[str], read: Sequence[_Read]) -> Iterator[tuple[_Read, str]]:
    """Yield what was read, in its order, with its text and those before and after it: MILK is WHOLE
    MILK, and no two TAX are one vector.
    """
    for at, one in enumerate(read):
        yield one, " ".join([texts[at], *texts[max(0, at - 1) : at + 2]])


def _own(receipt: Receipt) -> dict[str, Any]:
    return {
        "image_id": receipt.image_id,
        "receipt_id": receipt.receipt_id,
        "merchant_name": receipt.merchant.name.title(),
        "source": "demo",
    }
