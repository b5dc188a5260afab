"""Time to live: an item past it counts as gone, though DynamoDB deletes it up to days later."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

Item = Mapping[str, Mapping[str, Any]]

TIME_TO_LIVE: Final = "TimeToLive"
"""The attribute's usual name, and that of a table the app creates."""


def expiry(attribute: Any) -> float | None:
    """Return an expiry in epoch seconds; what is no number is none, as DynamoDB has it."""
    value = attribute.get("N") if isinstance(attribute, Mapping) else None
    try:
        seconds = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def is_alive(item: Item, attribute: str | None, now: datetime) -> bool:
    """Say whether an item still counts; without an attribute for it every item does."""
    ends = None if attribute is None else expiry(item.get(attribute))
    return ends is None or ends > now.timestamp()


def alive(items: Iterable[Item], attribute: str | None, now: datetime) -> list[Item]:
    """Return those that still count."""
    return [item for item in items if is_alive(item, attribute, now)]
