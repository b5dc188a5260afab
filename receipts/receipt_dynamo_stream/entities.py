"""An item's image in DynamoDB JSON becomes the fields that feed Chroma (docs/domain.md).

Ids come from the key alone.
"""

from collections.abc import Mapping
from typing import Any, Final

from instep.aws.expiry import expiry
from instep.domain import RecordRejected
from receipt_dynamo_stream.attributes import TTL_ATTRIBUTE, Unreadable, Value, read

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
    entity_type: (*fields, TTL_ATTRIBUTE)
    for entity_type, fields in {
        "RECEIPT": (),
        "RECEIPT_LINE": (),
        "RECEIPT_WORD": (),
        "RECEIPT_METADATA": METADATA_FIELDS,
        "RECEIPT_PLACE": PLACE_FIELDS,
        "RECEIPT_WORD_LABEL": LABEL_FIELDS,
        "COMPACTION_RUN": RUN_FIELDS,
    }.items()
}
"""The truth's inputs: the mirrored entity types, and the attributes of each that it follows from.

The expiry feeds all of them, for an item past it counts as gone.
"""

Fields = Mapping[str, Value]


def read_fields(entity_type: str, image: Mapping[str, Any]) -> dict[str, Value]:
    """Return the feeding fields of an image; one of another type is Unreadable."""
    return {name: _read(name, image.get(name)) for name in FEEDING[entity_type]}


def written(name: str, value: str | Unreadable) -> dict[str, str]:
    """Return an attribute that `read_fields` reads as `value`, or as unreadable like it."""
    if isinstance(value, Unreadable):
        return {"B": ""}  # the type is what matters: it differs from every text
    return {"N" if name == TTL_ATTRIBUTE else "S": value}


def demand_readable(fields: Fields) -> None:
    """Raise RecordRejected for a field of another type than it has."""
    for name, value in fields.items():
        if isinstance(value, Unreadable):
            raise RecordRejected(f"attribute {name} is {value}")


def _read(name: str, attribute: Any) -> Value:
    if name != TTL_ATTRIBUTE:
        return read(attribute)
    return None if expiry(attribute) is None else str(attribute["N"])
