"""Which keys of a context mean something: a misspelt one would be passed over in silence."""

from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

_NEAR: Final = 0.6
_MISSPELT: Final = 0.85  # so near that a key of somebody's own is hardly meant


def is_of_the_cdk(key: str) -> bool:
    """Whether a key is the CDK's: a feature flag, a setting of its CLI's, a look-up's answer."""
    return any(mark in key for mark in "@:/")


def closest(key: str, known: Collection[str], cutoff: float = _NEAR) -> str | None:
    """Return the known key that is spelled most like `key`, in any case; None when none is."""
    by_lower = {one.lower(): one for one in known}
    found = get_close_matches(key.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None


def misspelt(key: str, known: Collection[str]) -> str | None:
    """Return the known key that `key` is taken to mean; None for a key of somebody else's."""
    if key in known or is_of_the_cdk(key):
        return None
    return closest(key, known, _MISSPELT)
