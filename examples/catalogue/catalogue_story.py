"""A day of the shop, as `instep demo --example catalogue` tells it."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from instep.cli.filling import read_items
from instep.cli.session import Session
from instep.cli.telling import Telling

Item = dict[str, Any]

_QUERY: Final = "something warm for a cold morning"
_AFFORDABLE: Final = {"$and": [{"price": {"$lt": 20}}, {"in_stock": True}]}
_SHOWN: Final = ("price", "stock", "brand", "tags")


def tell(session: Session) -> bool:
    """Tell it on a fresh deployment; whether every embedding is in step at the end."""
    products = {item["name"]: item for item in read_items(Path(__file__).with_name("items.json"))}
    story = Telling(session)
    story.change(f"{len(products)} products arrive", put=list(products.values()))
    story.search("products", _QUERY, fields=_SHOWN)
    reduced = {item["name"]: item for item in sale(products.values())}
    story.change("winter sale: prices and stock are others", put=list(reduced.values()))
    story.search("products", _QUERY, _AFFORDABLE, _SHOWN)
    story.change("one description is written anew", put=[described(products["Enamel Mug"])])
    story.change(
        "one product is discontinued, one is deleted",
        put=[reduced["Wool Beanie"] | {"state": "discontinued"}],
        remove=[reduced["Thermal Base Layer"]],
    )
    story.search("products", _QUERY, _AFFORDABLE, _SHOWN)
    return story.verify()


def sale(products: Iterable[Item]) -> Iterator[Item]:
    """Yield what costs less now, all of it in stock but the bottle: no text is another."""
    for item in products:
        if "winter" in item["tags"]:
            price = round(Decimal(item["price"]) * Decimal("0.7"), 2)
            stock = 0 if item["name"] == "Hot Water Bottle" else item["stock"] + 50
            yield item | {"price": price, "stock": stock, "in_stock": stock > 0}


def described(mug: Item) -> Item:
    """Return the mug with another description: the one text to embed."""
    said = "Steel mug for cocoa and mulled wine, which warms the hands on a winter's day"
    return mug | {"description": said}
