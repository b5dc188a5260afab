"""Rounds are read from log lines; those of two executions at a time are found, and no others."""

from typing import Any

from benchmarks.function_logs import Line
from benchmarks.rounds import ENDED, PARSED, SETTLED, Round, beside_another, rounds_of


def line(at: float, message: str, execution: str, request: str, **fields: Any) -> Line:
    return Line("f", at, message, execution, request, fields)


def a_round(execution: str, began: float, ended: float, request: str) -> list[Line]:
    """The lines of a round: a drain of 0.5 s, and a settle whose call ends 0.1 s after its line."""
    parse, settle = f"parse-{request}", f"settle-{request}"
    return [
        line(began + 0.4, PARSED, execution, parse, entries={"words": 3}),
        line(began + 0.5, ENDED, execution, parse, ms=500),
        line(ended - 0.1, SETTLED, execution, settle),
        line(ended, ENDED, execution, settle, ms=200),
    ]


def test_a_round_lasts_from_its_drain_to_the_end_of_its_settling() -> None:
    lines = a_round("a", 10.0, 12.0, "1") + a_round("a", 13.0, 14.0, "2")
    assert rounds_of(reversed(lines)) == [Round("a", 10.0, 12.0), Round("a", 13.0, 14.0)]


def test_an_empty_drain_is_no_round() -> None:
    lines = [line(5.0, PARSED, "a", "p", entries={}), line(5.1, ENDED, "a", "p", ms=2000)]
    assert rounds_of(lines) == []


def test_a_round_that_nothing_settled_ends_with_its_execution() -> None:
    died = a_round("a", 10.0, 12.0, "1")[:2]
    assert rounds_of(died) == [Round("a", 10.0, 10.5)]


def test_rounds_one_after_the_other_are_beside_none_whoever_made_them() -> None:
    rounds = [Round("a", 1, 2), Round("b", 2, 3), Round("a", 3, 4)]
    assert beside_another(rounds) == 0


def test_a_round_begun_within_anothers_is_counted_once() -> None:
    assert beside_another([Round("a", 1, 5), Round("b", 2, 3), Round("b", 4, 6)]) == 2
    assert beside_another([Round("a", 1, 5), Round("b", 1, 5)]) == 1


def test_an_execution_is_never_beside_itself() -> None:
    assert beside_another([Round("a", 1, 5), Round("a", 2, 3)]) == 0
