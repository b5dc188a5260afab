"""Which records of the stream a mapping's collections may want, as Lambda filter patterns.

They spare an invocation for other partitions, by what the keys that `match` allows begin with.
Never finer than `match`: a number key, or a pattern that begins with `*`, lets everything through,
and where the patterns are too many or too long, fewer and coarser ones stand for them.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from instep.mapping.matching import Condition, Pattern
from instep.mapping.model import CollectionMapping, TableMapping

_PATTERNS: Final = 5  # an event source mapping takes
_CHARACTERS: Final = 4096  # of one pattern
Matcher: TypeAlias = "str | dict[str, str]"
Keys: TypeAlias = dict[str, list[Matcher]]


def stream_filters(mapping: TableMapping) -> list[dict[str, Any]]:
    """Return at least one pattern, and five at most."""
    keys = [_keys(collection) for collection in mapping.collections.values()]
    apart = _distinct(map(_pattern, keys))
    if len(apart) <= _PATTERNS and _fit(apart):
        return apart
    together = [_pattern(_union(keys))]
    return together if _fit(together) else [_pattern({})]


def _pattern(keys: Keys) -> dict[str, Any]:
    pattern: dict[str, Any] = {"eventName": ["INSERT", "MODIFY", "REMOVE"]}
    if keys:
        written = {name: {"S": matchers} for name, matchers in keys.items()}
        pattern["dynamodb"] = {"Keys": written}
    return pattern


def _keys(collection: CollectionMapping) -> Keys:
    """Return by key attribute what its text must match, one of them each."""
    found = {one.path[0]: _matchers(one) for one in collection.key_conditions}
    return {name: matchers for name, matchers in found.items() if matchers}


def _matchers(condition: Condition) -> list[Matcher]:
    """Return none where nothing can be said."""
    globs = [one for one in condition.any_of if isinstance(one, Pattern)]
    if len(globs) < len(condition.any_of) or not all(one.prefix for one in globs):
        return []
    return _distinct(one.glob if one.is_exact else {"prefix": one.prefix} for one in globs)


def _union(all_keys: Sequence[Keys]) -> Keys:
    """Return what lets through all that any of these does."""
    names = set[str].intersection(*(set(keys) for keys in all_keys))
    return {
        name: _distinct(matcher for keys in all_keys for matcher in keys[name])
        for name in sorted(names)
    }


def _distinct(values: Iterable[Any]) -> list[Any]:
    return list({json.dumps(value, sort_keys=True): value for value in values}.values())


def _fit(patterns: Sequence[dict[str, Any]]) -> bool:
    return all(len(json.dumps(pattern)) <= _CHARACTERS for pattern in patterns)
