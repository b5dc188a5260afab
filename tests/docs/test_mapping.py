"""Every example of docs/mapping.md is a mapping that can be followed, and none shares an id."""

import re

import pytest

from instep.mapping.reading import read_mapping
from tests.support.marks import ROOT

PAGE = (ROOT / "docs" / "mapping.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_followed(example: str) -> None:
    for collection in read_mapping(example, "mapping.md").collections.values():
        assert not collection.unsettled


def test_a_product_catalogue_takes_twenty_lines_at_most() -> None:
    assert len(EXAMPLES[0].splitlines()) <= 20
