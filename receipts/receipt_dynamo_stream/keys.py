"""The key grammar of the table, both ways (docs/domain.md, "The table").

A sort key is matched whole: a letter's key begins like its word's, and `RECEIPT#00001` begins like
`RECEIPT#000010`. Numbers are zero-padded to five digits, and longer when they are larger.
"""

import re
from dataclasses import dataclass
from typing import Final

LONGEST_PK: Final = 2048  # bytes, as DynamoDB holds them
LONGEST_SK: Final = 1024

_N: Final = r"(?:[0-9]{5}|[1-9][0-9]{5,17})"
_RECEIPT: Final = rf"RECEIPT#(?P<receipt_id>{_N})"
_LINE: Final = rf"{_RECEIPT}#LINE#(?P<line_id>{_N})"
_WORD: Final = rf"{_LINE}#WORD#(?P<word_id>{_N})"

_MIRRORED: Final = {
    entity_type: re.compile(pattern, re.DOTALL)
    for entity_type, pattern in {
        "RECEIPT": _RECEIPT,
        "RECEIPT_LINE": _LINE,
        "RECEIPT_WORD": _WORD,
        "RECEIPT_METADATA": rf"{_RECEIPT}#METADATA",
        "RECEIPT_PLACE": rf"{_RECEIPT}#PLACE",
        "RECEIPT_WORD_LABEL": rf"{_WORD}#LABEL#(?P<label>.+)",
        "COMPACTION_RUN": rf"{_RECEIPT}#COMPACTION_RUN#(?P<run_id>.+)",
    }.items()
}


@dataclass(frozen=True)
class EntityKey:
    """What a primary key names. Fields that the entity type does not have are None."""

    entity_type: str
    image_id: str
    receipt_id: int
    line_id: int | None = None
    word_id: int | None = None
    label: str | None = None
    """Upper-cased; free text, which may hold commas, spaces and `#`."""
    run_id: str | None = None

    def data(self) -> dict[str, str | int]:
        """Return the ids as a message's entity_data carries them."""
        ids: dict[str, str | int | None] = {
            "entity_type": self.entity_type,
            "image_id": self.image_id,
            "receipt_id": self.receipt_id,
            "line_id": self.line_id,
            "word_id": self.word_id,
            "label": self.label,
            "run_id": self.run_id,
        }
        return {name: value for name, value in ids.items() if value is not None}

    def sort_key(self) -> str:
        """Return the SK that this key was read from (with its label in upper case)."""
        receipt = f"RECEIPT#{self.receipt_id:05d}"
        line = receipt if self.line_id is None else f"{receipt}#LINE#{self.line_id:05d}"
        word = line if self.word_id is None else f"{line}#WORD#{self.word_id:05d}"
        endings = {
            "RECEIPT_METADATA": "#METADATA",
            "RECEIPT_PLACE": "#PLACE",
            "RECEIPT_WORD_LABEL": f"#LABEL#{self.label}",
            "COMPACTION_RUN": f"#COMPACTION_RUN#{self.run_id}",
        }
        return word + endings.get(self.entity_type, "")


def parse_key(pk: str, sk: str) -> EntityKey | None:
    """Read a primary key; None when it is none of a mirrored entity, which is no error."""
    image, _, image_id = pk.partition("#")
    if image != "IMAGE" or not image_id:
        return None
    for entity_type, pattern in _MIRRORED.items():
        found = pattern.fullmatch(sk)
        if found:
            parts = found.groupdict()
            label = parts.get("label")
            return EntityKey(
                entity_type,
                image_id,
                int(parts["receipt_id"]),
                line_id=_number(parts.get("line_id")),
                word_id=_number(parts.get("word_id")),
                label=label.upper() if label else None,
                run_id=parts.get("run_id"),
            )
    return None


def line_embedding_id(image_id: str, receipt_id: int, line_id: int) -> str:
    """Return the id of a line's embedding, which is also its item's key."""
    return f"IMAGE#{image_id}#RECEIPT#{receipt_id:05d}#LINE#{line_id:05d}"


def word_embedding_id(image_id: str, receipt_id: int, line_id: int, word_id: int) -> str:
    """Return the id of a word's embedding, which is also its item's key."""
    return f"{line_embedding_id(image_id, receipt_id, line_id)}#WORD#{word_id:05d}"


def fits(text: str, limit: int) -> bool:
    """Return whether AWS can hold a text as a key: valid Unicode of at most `limit` bytes."""
    try:
        return len(text.encode()) <= limit
    except UnicodeEncodeError:  # JSON may spell half a surrogate pair
        return False


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)
