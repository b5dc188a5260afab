"""JSON that nobody wrote: any bytes, any value, and a right document with a part of it changed."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from hypothesis import strategies as st

_ODD: Final[list[Any]] = [
    *(None, True, 0, -1, 1.5, float("nan"), float("inf"), 10**30, 2**63, "", "x", "../../etc"),
    *("\ud800", "zz", "ab", [], {}, [[]], {"a": 1}, "0" * 64, "9999-12-31T23:59:59+00:00"),
    *("0001-01-01T00:00:00+23:59", "\u0662" * 8, [{}] * 3, "x" * 5000),
]
_NESTED: Final = st.integers(1, 6000).map(lambda depth: b"[" * depth + b"]" * depth)


def as_json() -> st.SearchStrategy[bytes]:
    """Any bytes, and any JSON, as deep as it may be."""
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    values = st.recursive(
        leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
    )
    return st.binary(max_size=200) | _NESTED | values.map(lambda value: json.dumps(value).encode())


def edits(document: Any) -> st.SearchStrategy[bytes]:
    """The document with one to three of its parts made into something else."""
    places = list(_places(document))
    one = st.tuples(st.sampled_from(places), st.sampled_from(_ODD))
    return st.lists(one, min_size=1, max_size=3).map(lambda some: _edited(document, some))


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else ()
    for key, one in enumerate(value) if isinstance(value, list) else inner:
        yield from _places(one, (*path, key))


def _edited(document: Any, some: list[tuple[tuple[Any, ...], Any]]) -> bytes:
    made = deepcopy(document)
    for path, odd in some:
        at = made
        try:
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = deepcopy(odd)
        except (TypeError, KeyError, IndexError):
            continue  # an edit before has taken the place away
    return json.dumps(made).encode()
