"""The work every side is given: words of receipts, label edits on them, new words as a delta.

All of it follows from a seed, so that each side gets the same bytes; the shape (13 metadata keys, a
document, 1,536 floats) is production's, the floats are random: nothing compresses by luck.
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

Shape: TypeAlias = "Callable[[int], Workload]"
"""Gives the workload of a size: `Workload` itself, or a narrow one for a test."""
Spread: TypeAlias = Literal["scattered", "clustered"]
Fields: TypeAlias = dict[str, str | int | float]
Floats: TypeAlias = NDArray[np.float32]

COLLECTION = "words"
LABELS = ("ADDRESS", "DATE", "MERCHANT", "PRICE", "PRODUCT", "QUANTITY", "TAX", "TOTAL")
_TEXTS = ("MILK", "2.99", "TOTAL", "03/04/2024", "VISA", "TAX", "12.49", "ORGANIC", "QTY", "EGGS")
_LINE_WORDS = 5


@dataclass(frozen=True)
class Words:
    """Records of a Chroma collection, row by row: ids, vectors (n x width), fields, documents."""

    ids: list[str]
    embeddings: Floats
    metadatas: list[Fields]
    documents: list[str]


@dataclass(frozen=True)
class Workload:
    """A collection of `size` words and runs of `updates` label edits on it.

    Clustered: the edits of a run fall on `receipts` receipts, in equal shares.
    """

    size: int
    width: int = 1536
    updates: int = 500
    receipts: int = 10
    receipt_words: int = 100
    seed: int = 20_251_124

    @property
    def key(self) -> str:
        """Names the collection, and nothing that a run changes: a built one is kept under it."""
        return f"{self.size}x{self.width}-{self.receipt_words}-{self.seed}"

    def describe(self) -> str:
        """Return the workload in words, for a table's head."""
        return (
            f"{self.size:,} words x {self.width:,} random floats, 13 metadata keys and a document; "
            f"a run changes 2 fields of {self.updates:,} words"
        )

    def words(self, start: int, count: int) -> Words:
        """Return words `start` up to `start + count` of the collection, or past its end."""
        numbers = range(start, start + count)
        return Words(
            ids=[self.word_id(number) for number in numbers],
            embeddings=self.embeddings(start, count),
            metadatas=[self._fields(number) for number in numbers],
            documents=[_text(number) for number in numbers],
        )

    def word_id(self, number: int) -> str:
        """Return the id of the `number`-th word."""
        image, receipt, line, word = self._place(number)
        return f"IMAGE#{image}#RECEIPT#{receipt:05d}#LINE#{line:05d}#WORD#{word:05d}"

    def edits(self, spread: Spread, run: int) -> dict[str, Fields]:
        """Return what the `run`-th run wants: two fields for each touched id.

        Both name the run, so that no side ever finds a value that is there already.
        """
        return {
            self.word_id(number): {
                "label_status": f"validated {run:06d}",
                "valid_labels": f",{LABELS[number % len(LABELS)]} {run:06d},",
            }
            for number in self._touched(spread, run)
        }

    def _touched(self, spread: Spread, run: int) -> list[int]:
        chosen = np.random.default_rng((self.seed, run, spread == "clustered"))
        updates = min(self.updates, self.size)
        if spread == "scattered":
            return sorted(int(n) for n in chosen.choice(self.size, updates, replace=False))
        whole = self.size // self.receipt_words
        receipts = chosen.choice(whole, min(self.receipts, whole), replace=False)
        share = min(updates // len(receipts), self.receipt_words)
        return sorted(
            int(receipt) * self.receipt_words + offset
            for receipt in receipts
            for offset in range(share)
        )

    def embeddings(self, start: int, count: int) -> Floats:
        """Return their vectors alone: those of a chunk hang on where it starts."""
        random = np.random.default_rng((self.seed, start))
        return random.standard_normal((count, self.width), dtype=np.float32)

    def _place(self, number: int) -> tuple[str, int, int, int]:
        receipt, offset = divmod(number, self.receipt_words)
        image = f"{receipt:08x}-0000-4000-8000-{self.seed:012x}"
        return image, 1, offset // _LINE_WORDS + 1, offset % _LINE_WORDS + 1

    def _fields(self, number: int) -> Fields:
        image, receipt, line, word = self._place(number)
        return {
            "image_id": image,
            "receipt_id": receipt,
            "line_id": line,
            "word_id": word,
            "text": _text(number),
            "x": (number % 97) / 97,
            "y": (number % 89) / 89,
            "width": 0.05 + (number % 13) / 100,
            "height": 0.02,
            "confidence": 0.9 + (number % 10) / 100,
            "merchant_name": f"Merchant {number // self.receipt_words % 40}",
            "label_status": "unvalidated",
            "valid_labels": f",{LABELS[number % len(LABELS)]},",
        }


def _text(number: int) -> str:
    return f"{_TEXTS[number % len(_TEXTS)]} {number % 1_000}"


NARROW: Shape = partial(Workload, width=64)
"""For what follows the number of words and not their vectors: half a million fit in memory."""
