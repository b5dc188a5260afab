"""docs/domain.md and its tests agree: a fact has a name, a name has a test, a test names a fact."""

import re
from collections import Counter

import pytest

from tests.support.marks import ROOT, marked

CONTRACT = (ROOT / "docs" / "domain.md").read_text()
NAMES = re.findall(r'<a id="([a-z0-9-]+)"></a>', CONTRACT)
FACTS = [
    line
    for line in CONTRACT.splitlines()
    if re.match(r"\s*- ", line) or (line.startswith("| ") and "---" not in line)
]


def test_every_row_and_every_bullet_has_a_name() -> None:
    header, *facts = [line for line in FACTS if "<a id=" not in line]
    assert header.startswith("| entity | SK |")
    assert facts == []


def test_no_name_is_given_twice() -> None:
    assert [name for name, times in Counter(NAMES).items() if times > 1] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_fact_has_a_test(name: str) -> None:
    assert [test for test, names in marked("domain").items() if name in names]


def test_every_mark_names_a_fact() -> None:
    assert {
        test: names - set(NAMES)
        for test, names in marked("domain").items()
        if not names <= set(NAMES)
    } == {}
