"""JSON from outside, read within bounds and with one error for all that may be wrong with it.

A text may nest until the stack is full, spell a number of a million digits, or hold a list every
third byte, each of which takes twenty times that in memory.
"""

import json
import re
from typing import Any, Final

_SMALL: Final = 64 << 10  # characters; whatever such a text holds, it is little
_MOST_VALUES: Final = 200_000
_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)  # to its end: linear
_SEPARATORS: Final = ",[{"


class NotJson(ValueError):
    """A text is no JSON, or more than will be read; the message is the reason."""


def read_json(text: str, most_values: int = _MOST_VALUES) -> Any:
    """Return what a JSON text says; NotJson when it is none, too deep or of too many values."""
    if not isinstance(text, str):
        raise NotJson(f"it is a {type(text).__name__} and no text")
    if len(text) > _SMALL and _values_in(text) > most_values:
        raise NotJson(f"it holds more than {most_values} values")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise NotJson("it is nested too deeply") from error
    except ValueError as error:
        raise NotJson(str(error)) from error


def read_object(text: str, most_values: int = _MOST_VALUES) -> dict[str, Any]:
    """Return the members of a JSON object; NotJson as above, and for any other value."""
    found = read_json(text, most_values)
    if not isinstance(found, dict):
        raise NotJson(f"it is {type(found).__name__} and no object")
    return found


def _values_in(text: str) -> int:
    """Return about how many values a text holds: what separates them outside of strings."""
    bare = _STRING.sub("", text)
    return sum(map(bare.count, _SEPARATORS))
