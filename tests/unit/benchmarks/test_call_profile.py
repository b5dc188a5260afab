"""Seconds by function, and those in which none ran."""

from benchmarks.call_profile import covered, profile
from benchmarks.function_logs import Line
from benchmarks.window import Window


def ended(function: str, at: float, ms: int) -> Line:
    return Line(function, at, "Call ended", "e", "r", {"ms": ms})


def test_a_profile_sums_calls_and_says_what_lies_between_them() -> None:
    calls = [
        ended("parse", 11.0, 1_000),  # 10 to 11
        ended("apply", 14.0, 2_000),  # 12 to 14
        ended("apply", 15.0, 2_000),  # 13 to 15, beside the other
        ended("apply", 25.0, 1_000),  # after the window
    ]
    assert profile("labels", calls, Window(10.0, 20.0)) == {
        "labels_apply_s": 4.0,
        "labels_apply_calls": 2,
        "labels_parse_s": 1.0,
        "labels_parse_calls": 1,
        "labels_between_calls_s": 6.0,
    }


def test_time_covered_twice_or_outside_counts_once_or_not() -> None:
    window = Window(0.0, 10.0)
    assert covered([(-5.0, 1.0), (2.0, 4.0), (3.0, 3.5), (9.0, 12.0)], window) == 1 + 2 + 1
    assert covered([], window) == 0


def test_a_window_holds_its_beginning_and_not_its_end() -> None:
    window = Window(1.0, 2.0)
    assert 1.0 in window
    assert 2.0 not in window
    assert window.meets(0.0, 1.0)
    assert not window.meets(2.0, 3.0)
