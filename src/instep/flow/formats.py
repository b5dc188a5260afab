"""The formats of what one release leaves to another: messages of the inbox, and what is parked.

While a deploy takes over, and after one was taken back, two releases read each other's work. A
number grows only with a change that an older reader would get wrong; it then lets the thing be, for
the release that knows it, and nobody has failed. What bears no number is of the first format.
"""

from typing import Any, Final

from instep.errors import FormatUnknown

MESSAGE: Final = 1
PARKED: Final = 1

_MOST_DIGITS: Final = 9


def format_of(value: Any) -> int:
    """Return the number that something bears; what is no sensible number is none."""
    return sensible(value, 1)


def sensible(value: Any, otherwise: int) -> int:
    """Return a number that somebody else wrote; `otherwise` for what is no sensible one."""
    text = str(value)
    is_one = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return int(text) if is_one else otherwise


def check(what: str, found: int, known: int) -> None:
    """Raise FormatUnknown for something of a newer format than this release knows."""
    if found > known:
        raise FormatUnknown(what, found, known)
