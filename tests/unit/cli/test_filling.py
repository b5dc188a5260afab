"""Files of items, as people write them."""

from decimal import Decimal
from pathlib import Path

import pytest

from instep.cli.filling import read_items
from instep.cli.output import Refused


def test_a_fraction_stays_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "items.json"
    file.write_text('[{"PK": "a", "price": 0.1}]')
    assert read_items(file) == [{"PK": "a", "price": Decimal("0.1")}]


@pytest.mark.parametrize("text", ["{", "{}", "[1]"])
def test_a_file_that_holds_no_items_is_a_sentence(text: str, tmp_path: Path) -> None:
    file = tmp_path / "items.json"
    file.write_text(text)
    with pytest.raises(Refused, match=r"items\.json is no"):
        read_items(file)
