"""Who an embedding is: its id and the table item it stands for are one grammar (docs/domain.md).

A line is `IMAGE#<id>#RECEIPT#00001#LINE#00002`, a word has `#WORD#00003` behind it. The embedding
lives only while the item of the same name does.
"""

from typing import NamedTuple

from receipt_dynamo_stream.keys import parse_key


class ItemKey(NamedTuple):
    """The primary key of a table item."""

    pk: str
    sk: str


class ReceiptId(NamedTuple):
    """One receipt: the image it was found on (any string) and its number there."""

    image_id: str
    receipt_id: int

    def key(self, suffix: str = "") -> ItemKey:
        """Return the key of the receipt's item, or of its item named by `suffix`."""
        return ItemKey(f"IMAGE#{self.image_id}", f"RECEIPT#{self.receipt_id:05d}{suffix}")


class EmbeddingId(NamedTuple):
    """One line (`word_id` None) or one word of a receipt."""

    receipt: ReceiptId
    line_id: int
    word_id: int | None = None

    @classmethod
    def parse(cls, text: str) -> "EmbeddingId | None":
        """Read an embedding's id; None when it has another shape and so is none of ours."""
        pk, _, rest = text.rpartition("#RECEIPT#")
        key = parse_key(pk, f"RECEIPT#{rest}")
        if key is None or key.line_id is None or key.label is not None:
            return None
        return cls(ReceiptId(key.image_id, key.receipt_id), key.line_id, key.word_id)

    @property
    def key(self) -> ItemKey:
        """The key of the LINE or WORD item without which the embedding must not exist."""
        word = "" if self.word_id is None else f"#WORD#{self.word_id:05d}"
        return self.receipt.key(f"#LINE#{self.line_id:05d}{word}")

    def __str__(self) -> str:
        """Return the embedding's id in its collection."""
        return "#".join(self.key)

    def fields(self) -> dict[str, str | int]:
        """Return the metadata by which readers filter: image_id (str) and the numbers (int)."""
        fields: dict[str, str | int] = {
            "image_id": self.receipt.image_id,
            "receipt_id": self.receipt.receipt_id,
            "line_id": self.line_id,
        }
        if self.word_id is not None:
            fields["word_id"] = self.word_id
        return fields
