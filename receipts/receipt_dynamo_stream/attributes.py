"""What an attribute of an item says: one reader for the parser and for the derivation.

The rules are docs/domain.md's, "The table": a string or a number is a text; NULL, absent and empty
are no value; any other type is unreadable, which the parser rejects and the derivation passes over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

TTL_ATTRIBUTE: Final = "TimeToLive"
"""The time to live: the predecessor's name, and that of the table the app creates."""


@dataclass(frozen=True)
class Unreadable:
    """An attribute of a type that no field has: it is no value, yet differs from having none."""

    attribute: Any

    def __str__(self) -> str:
        """Say what it is instead of a string."""
        if isinstance(self.attribute, Mapping) and len(self.attribute) == 1:
            return f"a {next(iter(self.attribute))!r:.20}, expected a string (S)"
        return "no DynamoDB value such as {'S': 'text'}"


Value: TypeAlias = str | Unreadable | None


def read(attribute: Any) -> Value:
    """Return what an attribute says, in DynamoDB JSON; None as attribute: it is absent."""
    if attribute is None:
        return None
    if not isinstance(attribute, Mapping) or len(attribute) != 1:
        return Unreadable(attribute)
    ((kind, value),) = attribute.items()
    if kind == "NULL" and value is True:
        return None
    if kind in ("S", "N") and isinstance(value, str):
        return value or None
    return Unreadable(attribute)
