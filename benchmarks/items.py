"""Items of the entity table made of an embedding's id, in DynamoDB JSON (docs/domain.md)."""

from typing import Any, TypeAlias

Item: TypeAlias = dict[str, Any]

_ADDED = "2026-01-01T00:00:00+00:00"


def item(of: str, more: str, entity: str, **values: str) -> Item:
    """Return the item of an embedding's id (`more` empty), or of what hangs on it."""
    image, _, rest = of.partition("#RECEIPT#")
    own = {"PK": image, "SK": f"RECEIPT#{rest}{more}", "TYPE": entity}
    return {name: {"S": value} for name, value in {**own, **values}.items()}


def label(word: str, by: str, status: str = "PENDING") -> Item:
    """Return the word's one label; while PENDING its word carries `by` as `label_proposed_by`."""
    return item(
        word,
        "#LABEL#TOTAL",
        "RECEIPT_WORD_LABEL",
        validation_status=status,
        timestamp_added=_ADDED,
        label_proposed_by=by,
        reasoning=by,
    )


def merchant(receipt: str, name: str) -> Item:
    """Return the METADATA of a receipt (`IMAGE#...#RECEIPT#...`): feeds all of its embeddings."""
    return item(
        receipt,
        "#METADATA",
        "RECEIPT_METADATA",
        place_id="place-1",
        merchant_name=name,
        merchant_category="Grocery",
    )
