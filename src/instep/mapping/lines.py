"""Where in a TOML text a key stands, which tomllib does not say.

A valid text cut before any key is a valid text without that key, so its line is found by halving;
a cut inside a value of several lines is none, and is moved to where that value ends.
"""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

_SAID = re.compile(r"\(at line (\d+), column \d+\)")


def line_of(text: str, path: Sequence[str]) -> int:
    """Return the line, from 1, where a key of a valid text first stands; of what leads to it,
    when it stands nowhere.
    """
    lines = text.split("\n")
    known = _depth(tomllib.loads(text), path)

    def reached(count: int) -> bool:
        for end in range(count, len(lines)):
            try:
                cut = tomllib.loads("\n".join(lines[:end]))
            except ValueError:
                continue
            return _depth(cut, path[:known]) == known
        return True

    return 1 if not known else bisect_left(range(1, len(lines)), True, key=reached) + 1


def line_of_error(text: str, error: ValueError) -> int:
    """Return the line that tomllib names in an error; the last where it names the end."""
    said = _SAID.search(str(error))
    return int(said[1]) if said else text.rstrip("\n").count("\n") + 1


def _depth(table: Any, path: Sequence[str]) -> int:
    """Return how many keys of a path are there."""
    for depth, key in enumerate(path):
        if not isinstance(table, Mapping) or key not in table:
            return depth
        table = table[key]
    return len(path)
