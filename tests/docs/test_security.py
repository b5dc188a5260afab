"""SECURITY.md names tests that are there, and every function's role."""

import re

from tests.support.marks import ROOT

PAGE = (ROOT / "SECURITY.md").read_text()


def test_every_boundary_names_a_test_that_is_there() -> None:
    rows = [row for row in PAGE.splitlines() if row.count("|") == 5 and "---" not in row]
    boundaries = [row for row in rows if "what arrives" not in row]
    assert len(boundaries) > 10
    for row in boundaries:
        tests = re.findall(r"`(tests/[\w/]+\.py)`", row)
        assert tests, row
        assert [one for one in tests if not (ROOT / one).is_file()] == []


def test_every_function_is_told_of() -> None:
    for folder in (ROOT / "functions").iterdir():
        if (folder / "handler.py").is_file() and folder.name != "ingest":
            assert "".join(part.title() for part in folder.name.split("_")) in PAGE
