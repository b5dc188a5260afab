"""Which folds are made before the next look, and which wait until a bulk is over.

Each fold costs what its collection is large, so one after every round of a bulk would make a table
that is taken in cost its square (docs/design.md, "Fold"). A bulk is over after some looks in a row
without a round of it, or when there is nothing left to look for. `Tally.unfolded` has, by
collection, the look that last brought a round of one; what an execution that dies forgets of that
is made up for by who follows it (lambda_/looking.py).
"""

from collections.abc import Mapping
from typing import Final

from instep.lambda_.payloads import Tally
from instep.snapshot.acts.folding import FoldDue

QUIET: Final = 5  # looks


def after_round(due: Mapping[str, FoldDue], tally: Tally, *, last: bool) -> dict[str, int]:
    """Return what is left unfolded for now of a round's collections and of those before it; when
    no look follows (`last`), nothing.
    """
    if last:
        return {}
    bulks = {name: tally.looks for name, when in due.items() if when is FoldDue.AFTER}
    left = {**under_way(tally), **bulks}
    return {name: look for name, look in left.items() if due.get(name) is not FoldDue.NOW}


def folds(due: Mapping[str, FoldDue], tally: Tally, left: Mapping[str, int]) -> list[str]:
    """Return the collections to fold: all that are or were due, but those `left`."""
    found = {name for name, when in due.items() if when is not FoldDue.NO}
    return sorted(found.union(tally.unfolded).difference(left))


def under_way(tally: Tally) -> dict[str, int]:
    """Return those of the unfolded whose bulk may go on."""
    return {name: look for name, look in tally.unfolded.items() if tally.looks - look < QUIET}
