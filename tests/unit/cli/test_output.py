"""Sizes, ages and progress as people read them."""

from datetime import timedelta
from io import StringIO

import pytest
from rich.console import Console

from instep.cli import output
from instep.cli.output import age_text, bytes_text, fetching


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (84_000, "84 KB"),
        (1_250_000, "1.2 MB"),
        (178_000_000, "178 MB"),
        (5_000_000_000_000, "5000 GB"),
    ],
)
def test_sizes(count: int, said: str) -> None:
    assert bytes_text(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-3, "0 s"), (12, "12 s"), (200, "3 min"), (7300, "2 h"), (200_000, "2 d")],
)
def test_ages(seconds: int, said: str) -> None:
    assert age_text(timedelta(seconds=seconds)) == said


def test_a_person_at_a_terminal_sees_how_far_a_fetch_is(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = StringIO()
    monkeypatch.setattr(output, "remarks", Console(file=shown, force_terminal=True, width=80))
    with fetching("pulling words") as progress:
        progress(84_000, 178_000_000)
    assert "pulling words  84 KB of 178 MB" in shown.getvalue()
