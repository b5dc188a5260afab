"""The merchant fields on every embedding of a receipt (docs/domain.md, The table).

A RECEIPT_PLACE wins whole over RECEIPT_METADATA, never field by field; without either there are no
merchant fields. `merchant_name` is title-cased, so producers write it and readers filter by it.
"""

from typing import TYPE_CHECKING, Final

from receipt_chroma.compaction.attributes import text

if TYPE_CHECKING:
    from instep.difference import Fields
    from receipt_chroma.compaction.attributes import Item

MERCHANT_FIELDS: Final = (
    "place_id",
    "merchant_name",
    "canonical_merchant_name",
    "merchant_category",
    "address",
    "phone_number",
)


def merchant_fields(metadata: "Item | None", place: "Item | None") -> "Fields":
    """Return all six fields; None for one without a value."""
    item = place if place is not None else metadata
    if item is None:
        return dict.fromkeys(MERCHANT_FIELDS)
    canonical = text(item, "canonical_merchant_name") if place is None else None
    name = (canonical or text(item, "merchant_name") or "").strip().title()
    return {
        "place_id": text(item, "place_id"),
        "merchant_name": name or None,
        "canonical_merchant_name": canonical,
        "merchant_category": text(item, "merchant_category"),
        "address": text(item, "address" if place is None else "formatted_address"),
        "phone_number": text(item, "phone_number"),
    }
