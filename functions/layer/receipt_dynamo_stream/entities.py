"""An item's image in DynamoDB JSON becomes the fields that feed Chroma (docs/domain.md).

NULL, absent and the empty string all mean no value. Ids come from the key alone.
"""

from collections.abc import Mapping
from typing import Any, Final

METADATA_FIELDS: Final = (
    "place_id",
    "merchant_name",
    "canonical_merchant_name",
    "merchant_category",
    "address",
    "phone_number",
)
PLACE_FIELDS: Final = (
    "place_id",
    "merchant_name",
    "merchant_category",
    "formatted_address",
    "phone_number",
)
LABEL_FIELDS: Final = (
    "reasoning",
    "validation_status",
    "label_proposed_by",
    "label_consolidated_from",
    "timestamp_added",
)
RUN_FIELDS: Final = ("lines_delta_prefix", "words_delta_prefix")

FEEDING: Final[Mapping[str, tuple[str, ...]]] = {
    "RECEIPT": (),
    "RECEIPT_LINE": (),
    "RECEIPT_WORD": (),
    "RECEIPT_METADATA": METADATA_FIELDS,
    "RECEIPT_PLACE": PLACE_FIELDS,
    "RECEIPT_WORD_LABEL": LABEL_FIELDS,
    "COMPACTION_RUN": RUN_FIELDS,
}
"""Mirrored entity types, and the attributes of each that a change may matter in."""

Fields = Mapping[str, str | None]


class RecordRejected(ValueError):
    """One record that cannot be read. The message is the reason that goes to the DLQ with it."""


def read_fields(entity_type: str, image: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the feeding fields of an image; RecordRejected for an attribute of another type."""
    return {name: _text(name, image.get(name)) for name in FEEDING[entity_type]}


def _text(name: str, attribute: Any) -> str | None:
    if attribute is None:
        return None
    if not isinstance(attribute, Mapping) or len(attribute) != 1:
        raise RecordRejected(f"attribute {name} is no DynamoDB value such as {{'S': 'text'}}")
    if attribute.get("NULL") is True:
        return None
    for kind in ("S", "N"):
        value = attribute.get(kind)
        if isinstance(value, str):
            return value or None
    raise RecordRejected(f"attribute {name} is a {next(iter(attribute))!r}, expected a string (S)")
