"""A subject is an item's key as text: told from the key, and read back by it."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.aws.table import TableReader
from instep.chroma.carriable import is_text
from instep.mapping.reading import read_mapping
from instep.mapping.source import MappedSource
from tests.support.aws import ENTITIES, Services, services

RULES = """\
[collections.shop]
id = "{PK}/{SK}"
document = "{name}"
embed = "local"
metadata = { city = { from = "maker.city", type = "text" } }
"""
SHOP = MappedSource(read_mapping(RULES, "x").collections["shop"])
TEXTS = st.text(min_size=1, max_size=4)


@given(st.tuples(TEXTS, TEXTS), st.tuples(TEXTS, TEXTS))
def test_two_keys_have_two_subjects(one: tuple[str, str], two: tuple[str, str]) -> None:
    first, second = SHOP.subject(one), SHOP.subject(two)
    assert is_text(first)
    assert (first == second) is (one == two)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with services(monkeypatch) as made:
        yield made


def test_subjects_are_read_by_their_keys_and_one_that_is_gone_is_left_out(made: Services) -> None:
    keys = [(f"P#{at}", "é [x]") for at in range(120)]
    for pk, sk in keys:
        maker = {"M": {"city": {"S": "Ulm"}}}
        item: Any = {"PK": {"S": pk}, "SK": {"S": sk}, "name": {"S": pk}, "maker": maker}
        made.dynamodb.put_item(TableName=ENTITIES, Item={**item, "unread": {"S": "x" * 99}})
    subjects = [SHOP.subject(key) or "" for key in [*keys, ("P#gone", "y")]]
    found = SHOP.read(subjects, TableReader(made.dynamodb, ENTITIES))
    assert list(found) == subjects[:-1]
    [read] = found[subjects[7]]
    assert set(read) == {"PK", "SK", "name", "maker"}
    derived = SHOP.derive(subjects[7], [read])
    assert derived["P#7/é [x]"].fields == {"city": "Ulm"}
