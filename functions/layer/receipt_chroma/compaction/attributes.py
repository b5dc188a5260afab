"""Reading a table item as DynamoDB JSON: the three ways of no value are one (docs/domain.md)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

Item: TypeAlias = Mapping[str, Mapping[str, Any]]

# The table's time-to-live attribute: the predecessor's name, and that of the table the app creates.
TTL_ATTRIBUTE: Final = "TimeToLive"


def text(item: Item, name: str) -> str | None:
    """Return a string attribute; NULL, absent, empty and any other type are None."""
    return item.get(name, {}).get("S") or None


def is_alive(item: Item, now: datetime) -> bool:
    """Say whether the item still counts: past its time to live it is gone, swept yet or not."""
    try:
        ends = float(item[TTL_ATTRIBUTE]["N"])
    except (KeyError, TypeError, ValueError):
        return True
    return ends > now.timestamp()
