"""The items of the table, and the domain that their instep.toml makes of them."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from instep.mapping.domain import load

APP: Final = Path(__file__).with_name("app")
COLLECTION: Final = "items"
DOMAIN: Final = load(APP / "instep.toml")
WIDTH: Final = 256


def item(number: int, price: int) -> dict[str, Any]:
    """Return an item whose vector follows from its number."""
    vector = np.random.default_rng(number).standard_normal(WIDTH).astype("<f4")
    return {
        "PK": {"S": id_of(number)},
        "SK": {"S": "ITEM"},
        "name": {"S": f"thing {number}"},
        "price": {"N": str(price)},
        "vector": {"B": vector.tobytes()},
    }


def id_of(number: int) -> str:
    """Return the id of an item's embedding."""
    return f"ITEM#{number:07d}"
