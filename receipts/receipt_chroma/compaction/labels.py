"""The label fields of a word, from all labels it has now (docs/domain.md, The vector store).

Nothing here knows what the word carried before, but for one thing: a word without labels that a
producer wrote as `unvalidated` with empty strings is equal to none and is not rewritten.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from receipt_chroma.compaction.attributes import text
from receipt_chroma.compaction.instants import instant
from receipt_dynamo_stream.keys import parse_key

if TYPE_CHECKING:
    from instep.difference import Fields, Value
    from receipt_chroma.compaction.attributes import Item

LABEL_FIELDS: Final = (
    "label_status",
    "valid_labels",
    "invalid_labels",
    "valid_labels_array",
    "invalid_labels_array",
    "label_proposed_by",
    "label_validated_at",
    "label_confidence",
)
_EQUAL_TO_NONE: Final[Mapping[str, str]] = {
    "label_status": "unvalidated",
    "valid_labels": "",
    "invalid_labels": "",
}


@dataclass(frozen=True)
class Label:
    """One RECEIPT_WORD_LABEL item: `added` is its timestamp_added as written, None without one.

    `written` is its sort key: two of one name in different cases are told apart by it.
    """

    name: str
    status: str
    proposed_by: str | None = None
    added: str | None = None
    written: str = ""

    @classmethod
    def of(cls, item: "Item") -> "Label":
        """Read an item; the name comes from the key alone, no status means NONE.

        An item whose key is no label's, as that of one without a name, is a Label of no name.
        """
        sort_key = item["SK"]["S"]
        key = parse_key(item["PK"]["S"], sort_key)
        return cls(
            (key and key.label) or "",
            text(item, "validation_status") or "NONE",
            text(item, "label_proposed_by"),
            text(item, "timestamp_added"),
            sort_key,
        )

    @property
    def age(self) -> tuple[datetime, str, str]:
        """What orders labels, newest last: the instant (naive means UTC), then name and key."""
        return instant(self.added), self.name, self.written


def label_fields(labels: Iterable[Label], carried: Mapping[str, "Value"] | None = None) -> "Fields":
    """Return every label field of a word with `labels`; None for one it must not have.

    A label of no name is none.
    """
    present = sorted((label for label in labels if label.name), key=lambda label: label.age)
    if not present:
        return _no_label(carried or {})
    valid = {label.name for label in present if label.status == "VALID"}
    invalid = {label.name for label in present if label.status == "INVALID"} - valid
    pending = [label for label in present if label.status == "PENDING"]
    validated = [label for label in present if label.status == "VALID"]
    return {
        "label_status": ("validated" if valid else "auto_suggested" if pending else "unvalidated"),
        "valid_labels": _joined(valid),
        "invalid_labels": _joined(invalid),
        "valid_labels_array": sorted(valid) or None,
        "invalid_labels_array": sorted(invalid) or None,
        "label_proposed_by": pending[-1].proposed_by if pending else None,
        "label_validated_at": validated[-1].added if validated else None,
        "label_confidence": None,
    }


def _no_label(carried: Mapping[str, "Value"]) -> "Fields":
    label_part = {key: carried[key] for key in LABEL_FIELDS if key in carried}
    if label_part and label_part.items() <= _EQUAL_TO_NONE.items():
        return {}
    return dict.fromkeys(LABEL_FIELDS)


def _joined(names: Iterable[str]) -> str:
    """Write names as `,A,B,` for readers that parse; one with a comma would read as two."""
    plain = sorted(name for name in names if "," not in name)
    return f",{','.join(plain)}," if plain else ""
