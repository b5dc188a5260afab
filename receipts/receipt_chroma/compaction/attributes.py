"""Reading a table item in DynamoDB JSON, as the parser reads its images (docs/domain.md)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from instep.aws.expiry import expiry
from receipt_dynamo_stream.attributes import TTL_ATTRIBUTE, read

__all__ = ["TTL_ATTRIBUTE", "Item", "is_alive", "text"]

Item: TypeAlias = Mapping[str, Mapping[str, Any]]


def text(item: Item, name: str) -> str | None:
    """Return a field as text; NULL, absent, empty and a type the parser rejects are None."""
    value = read(item.get(name))
    return value if isinstance(value, str) else None


def is_alive(item: Item, now: datetime) -> bool:
    """Say whether the item still counts: past its time to live it is gone, swept yet or not."""
    ends = expiry(item.get(TTL_ATTRIBUTE))
    return ends is None or ends > now.timestamp()
