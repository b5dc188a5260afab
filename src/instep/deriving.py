"""One item that a domain cannot derive harms itself alone: it is set aside with what it raised."""

from collections.abc import Callable, Iterable
from typing import Final

from instep.chroma.carriable import Refusal
from instep.difference import Fields

OVER_AN_ITEM: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What reading an item raises for what it holds, as against a fault of the machine or the code."""


def derived(derive: Callable[[], Fields], keys: Iterable[str]) -> Fields | Refusal:
    """Return the fields that `derive` makes, or why none of `keys` can be made."""
    try:
        return derive()
    except OVER_AN_ITEM as error:
        return Refusal(f"cannot be derived: {error!r:.500}", frozenset(keys))
