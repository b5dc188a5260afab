"""Believable receipts from a seed: the same seed gives the same receipts, ids and prices."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from receipt_demo.catalog import MERCHANTS, Merchant, sold_by

SEED: Final = 20250701
COUNT: Final = 300
_OPENING: Final = datetime(2025, 6, 2, 8, 0, tzinfo=UTC)
_TAX_PERCENT: Final = 7
_LEFT, _RIGHT = 0.08, 0.92  # the printed area, in shares of the image's width


@dataclass(frozen=True)
class Word:
    """A word where it was read; `label` is what a model proposed for it."""

    line_id: int
    word_id: int
    text: str
    x: float
    y: float
    width: float
    confidence: float
    label: str | None


@dataclass(frozen=True)
class Line:
    """A printed line and its words, from left to right."""

    line_id: int
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The line as it was read."""
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True)
class Receipt:
    """One receipt of an image; two may lie on one."""

    image_id: str
    receipt_id: int
    merchant: Merchant
    bought_at: datetime
    lines: tuple[Line, ...]

    @property
    def words(self) -> Iterator[Word]:
        """Every word, in reading order."""
        return (word for line in self.lines for word in line.words)


def generate(count: int = COUNT, seed: int = SEED) -> list[Receipt]:
    """Return `count` receipts; every twelfth lies on the image of the one before it."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, guards nothing
    receipts: list[Receipt] = []
    for number in range(count):
        merchant = chance.choice(MERCHANTS)
        bought_at = _OPENING + timedelta(minutes=chance.randrange(13 * 60), days=number % 28)
        if receipts and number % 12 == 11:
            image_id, receipt_id = receipts[-1].image_id, receipts[-1].receipt_id + 1
        else:
            image_id, receipt_id = str(UUID(int=chance.getrandbits(128), version=4)), 1
        lines = tuple(_printed(chance, merchant, bought_at))
        receipts.append(Receipt(image_id, receipt_id, merchant, bought_at, lines))
    return receipts


def _printed(chance: random.Random, merchant: Merchant, at: datetime) -> Iterator[Line]:
    """Yield the lines a till prints, with the labels a model would propose."""
    rows: list[list[tuple[str, str | None]]] = [
        [(part, "MERCHANT_NAME") for part in merchant.printed.split()],
        [(f"{at:%m/%d/%Y}", "DATE"), (f"{at:%H:%M}", "TIME")],
    ]
    subtotal = 0
    for product in chance.sample(sold_by(merchant), chance.randint(1, 3)):
        cents = chance.randint(product.low, product.high)
        subtotal += cents
        named = [(part, "PRODUCT_NAME") for part in product.text.split()]
        rows.append([*named, (_price(cents), "LINE_TOTAL")])
    tax = subtotal * _TAX_PERCENT // 100
    rows += [
        [("SUBTOTAL", None), (_price(subtotal), "SUBTOTAL")],
        [("TAX", None), (_price(tax), "TAX")],
        [("TOTAL", None), (_price(subtotal + tax), "GRAND_TOTAL")],
        [(chance.choice(("VISA", "MASTERCARD", "DEBIT", "CASH")), "PAYMENT_METHOD")],
    ]
    for line_id, row in enumerate(rows, start=1):
        yield Line(line_id, tuple(_placed(chance, line_id, len(rows), row)))


def _placed(
    chance: random.Random, line_id: int, lines: int, row: list[tuple[str, str | None]]
) -> Iterator[Word]:
    """Place a row's words on the image, as OCR would report them."""
    letter = (_RIGHT - _LEFT) / 32
    x, y = _LEFT, round(0.04 + 0.92 * (line_id - 1) / lines, 4)
    for word_id, (text, label) in enumerate(row, start=1):
        width = letter * len(text)
        confidence = round(chance.uniform(0.86, 0.999), 3)
        yield Word(line_id, word_id, text, round(x, 4), y, round(width, 4), confidence, label)
        x += width + letter


def _price(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
