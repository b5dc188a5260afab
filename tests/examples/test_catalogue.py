"""examples/catalogue as a shop uses it: prices and stock move, texts are embedded once, a search
finds what is warm, cheap and there.
"""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from instep.mapping.reading import read_file
from tests.support.example_app import EXAMPLES, ExampleApp, example_app

WARM = "something warm for a cold morning"
AFFORDABLE = {"$and": [{"price": {"$lt": 20}}, {"in_stock": True}]}


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ExampleApp]:
    with example_app("catalogue", monkeypatch, tmp_path) as app:
        app.change(put=app.items)
        yield app


def products(shop: ExampleApp) -> dict[str, dict[str, Any]]:
    """The items by the product's name."""
    return {item["name"]: item for item in shop.items}


def carried(shop: ExampleApp, item: dict[str, Any]) -> dict[str, Any]:
    return shop.pipeline.embeddings("products")[item["PK"]]


def test_every_product_arrives_and_is_embedded_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with example_app("catalogue", monkeypatch, tmp_path) as shop:
        embedded = shop.change(put=shop.items)
        assert sorted(embedded) == sorted(
            f"{one['name']}. {one['description']}" for one in shop.items
        )
        assert len(shop.pipeline.embeddings("products")) == len(shop.items) == 60
        assert shop.change(put=shop.items) == []  # all of it again
        assert shop.differences() == []


def test_prices_and_stock_arrive_and_no_text_is_embedded(shop: ExampleApp) -> None:
    jacket, beanie = (products(shop)[name] for name in ("Down Jacket", "Wool Beanie"))
    edits = [jacket | {"price": Decimal("149.5")}, beanie | {"stock": 0, "in_stock": False}]
    assert shop.change(put=edits) == []
    assert carried(shop, jacket)["price"] == 149.5
    assert (carried(shop, beanie)["stock"], carried(shop, beanie)["in_stock"]) == (0, False)
    assert shop.differences() == []


def test_a_description_is_one_text_and_moves_what_is_found(shop: ExampleApp) -> None:
    mug = products(shop)["Enamel Mug"]
    question = "a gift for somebody who sails"
    assert mug["PK"] not in shop.search("products", question, count=3)
    said = "A gift for somebody who sails: a mug with an anchor, safe on a sailing boat"
    assert shop.change(put=[mug | {"description": said}]) == [f"Enamel Mug. {said}"]
    assert shop.search("products", question, count=1) == [mug["PK"]]
    assert shop.differences() == []


def test_the_filter_and_the_text_together(shop: ExampleApp) -> None:
    names = {item["PK"]: name for name, item in products(shop).items()}
    found = {names[id_] for id_ in shop.search("products", WARM, AFFORDABLE, count=6)}
    assert {"Wool Beanie", "Hand Warmers"} <= found
    by_name = products(shop)
    assert all(by_name[name]["price"] < 20 and by_name[name]["in_stock"] for name in found)
    beanie = by_name["Wool Beanie"]
    shop.change(put=[beanie | {"price": 25}])
    assert beanie["PK"] not in shop.search("products", WARM, AFFORDABLE, count=60)
    shop.change(put=[beanie | {"price": Decimal("19.99")}])
    assert beanie["PK"] in shop.search("products", WARM, AFFORDABLE, count=60)


def test_what_is_discontinued_or_deleted_is_gone(shop: ExampleApp) -> None:
    beanie, gloves = (products(shop)[name] for name in ("Wool Beanie", "Fleece Gloves"))
    assert shop.change(put=[beanie | {"state": "discontinued"}], remove=[gloves]) == []
    assert {beanie["PK"], gloves["PK"]}.isdisjoint(shop.pipeline.embeddings("products"))
    assert len(shop.change(put=[beanie])) == 1  # on sale again: what was forgotten is embedded
    assert beanie["PK"] in shop.pipeline.embeddings("products")
    assert shop.differences() == []


def test_a_price_that_is_no_number_harms_that_product_alone(shop: ExampleApp) -> None:
    bell, helmet = (products(shop)[name] for name in ("Bell", "Helmet"))
    shop.change(put=[bell | {"price": "on request"}, helmet | {"price": 60}])
    assert carried(shop, helmet)["price"] == 60
    assert carried(shop, bell)["price"] == 11
    (letter,) = shop.pipeline.rejected()
    assert "price" in letter["reason"]


def test_the_mapping_takes_twenty_lines_at_most_and_no_id_is_shared() -> None:
    file = EXAMPLES / "catalogue" / "instep.toml"
    assert len(file.read_text().splitlines()) <= 20
    assert read_file(file).collections["products"].unsettled == ()
