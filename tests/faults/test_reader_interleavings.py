"""A reader's snapshot in every order of what is done to it: one whole version, never an older one.

Two refreshes, a publish, a query, a close and a second reader of the same directory, over the
reader's own code (tests/support/reader_code.py) on SQLite files: each lock, each call of S3's and
each write to the disk is a point at which everybody else may go first. With
`--hypothesis-profile=deep` any two and any three of them meet, in thousands of states more.
"""

from itertools import combinations
from typing import Final

import pytest

from tests.invariants.reader_removals import REMOVALS, Removal
from tests.support.deep import DEEP
from tests.support.reader_code import load, sources
from tests.support.reader_runs import ReaderRun
from tests.support.stages import Explored, explore

SOURCES: Final = sources()
ACTS: Final = ("refresh", "again", "publish", "query", "close", "second")
SHORT: Final[dict[tuple[str, ...], int]] = {  # the acts, and the fewest states that they come to
    ("refresh", "again"): 30,
    ("refresh", "query"): 50,
    ("refresh", "close"): 40,
    ("query", "close"): 20,
}


def explored(acts: tuple[str, ...], texts: dict[str, str], *, kept: bool = True) -> Explored:
    return explore(lambda: ReaderRun(lambda: load(texts), acts, kept))


@pytest.mark.invariant(5)
@pytest.mark.parametrize("acts", SHORT, ids="-".join)
def test_one_whole_version_in_every_order(acts: tuple[str, ...]) -> None:
    found = explored(acts, SOURCES)
    print(f"{'-'.join(acts)}: {found.states} states in {found.runs} orders")
    assert found.states >= SHORT[acts]


@pytest.mark.invariant(5)
def test_a_reader_without_a_directory_leaves_none() -> None:
    assert explored(("refresh", "close"), SOURCES, kept=False).states >= SHORT["refresh", "close"]


@pytest.mark.parametrize("removal", REMOVALS, ids=str)
def test_a_lock_or_check_that_is_taken_out_is_missed(removal: Removal) -> None:
    with pytest.raises(AssertionError):
        explored(removal.acts, removal.taken_from(SOURCES), kept=removal.kept)


@pytest.mark.skipif(not DEEP, reason="minutes: pytest --hypothesis-profile=deep runs it")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("acts", [*combinations(ACTS, 2), *combinations(ACTS, 3)], ids="-".join)
def test_any_two_and_any_three_of_them(acts: tuple[str, ...]) -> None:
    found = explored(acts, SOURCES)
    print(f"{'-'.join(acts)}: {found.states} states in {found.runs} orders")
