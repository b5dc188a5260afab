"""Merchants, what they sell and for how much: invented, but as a town's receipts read."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Merchant:
    """A shop: `printed` is what its till prints, `name` what the places service calls it."""

    name: str
    printed: str
    category: str
    street: str
    phone: str


@dataclass(frozen=True)
class Product:
    """What a receipt's line says, and the price in cents, from and to."""

    text: str
    low: int
    high: int


MERCHANTS: Final = (
    Merchant("Harvest Lane Market", "HARVEST LANE MKT #12", "grocery_store", "120 Lane St", "0141"),
    Merchant("Green Basket", "GREEN BASKET CO-OP", "grocery_store", "8 Mill Rd", "0142"),
    Merchant("Sunny Side Foods", "SUNNY SIDE FOODS", "supermarket", "2200 Oak Ave", "0143"),
    Merchant("Corner Pantry", "CORNER PANTRY 0071", "supermarket", "71 Corner Sq", "0144"),
    Merchant("Blue Door Bakery", "BLUE DOOR BAKERY", "bakery", "5 Canal Walk", "0145"),
    Merchant("Copper Kettle Coffee", "COPPER KETTLE COFFEE", "cafe", "19 Station Rd", "0146"),
    Merchant("Noodle Harbor", "NOODLE HARBOR", "restaurant", "44 Quay St", "0147"),
    Merchant("Taqueria Del Sol", "TAQUERIA DEL SOL", "restaurant", "310 Sun Blvd", "0148"),
    Merchant("Northgate Fuel", "NORTHGATE FUEL 4410", "gas_station", "4410 Ring Rd", "0149"),
    Merchant("Millstone Hardware", "MILLSTONE HDWE", "hardware_store", "77 Forge Ln", "0150"),
    Merchant("Riverside Pharmacy", "RIVERSIDE PHARMACY", "pharmacy", "1 River Walk", "0151"),
    Merchant("Paper And Ink", "PAPER & INK", "book_store", "23 Abbey St", "0152"),
)

_GROCERIES: Final = (
    Product("WHOLE MILK", 289, 449),
    Product("ORGANIC MILK", 499, 649),
    Product("CHEDDAR CHEESE", 399, 799),
    Product("GREEK YOGURT", 129, 599),
    Product("UNSALTED BUTTER", 349, 599),
    Product("HEAVY CREAM", 279, 429),
    Product("LARGE EGGS", 299, 549),
    Product("STRAWBERRIES", 299, 599),
    Product("BANANAS", 69, 219),
    Product("GALA APPLES", 149, 449),
    Product("BABY SPINACH", 249, 449),
    Product("RUSSET POTATOES", 299, 599),
    Product("CHICKEN BREAST", 599, 1499),
    Product("SOURDOUGH BREAD", 349, 649),
    Product("BASMATI RICE", 399, 999),
    Product("OLIVE OIL", 799, 1699),
    Product("ORANGE JUICE", 349, 549),
    Product("PAPER TOWELS", 499, 1299),
)
_FOR: Final = {
    "bakery": (
        Product("SOURDOUGH LOAF", 550, 750),
        Product("BUTTER CROISSANT", 325, 450),
        Product("CINNAMON ROLL", 375, 500),
        Product("RYE BREAD", 600, 800),
    ),
    "cafe": (
        Product("OAT LATTE", 475, 625),
        Product("DRIP COFFEE", 275, 375),
        Product("CAPPUCCINO", 425, 525),
        Product("BLUEBERRY MUFFIN", 325, 425),
        Product("GREEN TEA", 300, 400),
    ),
    "restaurant": (
        Product("BEEF RAMEN", 1395, 1695),
        Product("CHICKEN TACO", 395, 525),
        Product("PORK DUMPLINGS", 795, 995),
        Product("VEGGIE BURRITO", 1050, 1295),
        Product("LEMONADE", 350, 450),
        Product("GUACAMOLE", 595, 795),
    ),
    "gas_station": (
        Product("UNLEADED FUEL", 2800, 6200),
        Product("DIESEL FUEL", 3900, 8100),
        Product("CAR WASH", 900, 1500),
        Product("BOTTLED WATER", 179, 249),
    ),
    "hardware_store": (
        Product("WOOD SCREWS", 499, 999),
        Product("PAINT BRUSH", 599, 1299),
        Product("LED BULB", 399, 899),
        Product("DUCT TAPE", 649, 899),
        Product("GARDEN HOSE", 2499, 3999),
    ),
    "pharmacy": (
        Product("IBUPROFEN", 699, 1299),
        Product("HAND SOAP", 349, 599),
        Product("TOOTHPASTE", 399, 649),
        Product("VITAMIN D", 899, 1599),
    ),
    "book_store": (
        Product("NOTEBOOK", 499, 1299),
        Product("GEL PENS", 599, 999),
        Product("PAPERBACK NOVEL", 999, 1899),
        Product("GREETING CARD", 349, 599),
    ),
}

DAIRY: Final = frozenset({"MILK", "CHEESE", "CHEDDAR", "YOGURT", "BUTTER", "CREAM"})


def sold_by(merchant: Merchant) -> tuple[Product, ...]:
    """Return what the merchant sells."""
    return _FOR.get(merchant.category, _GROCERIES)
