"""A person's afternoon at the table: what is validated, renamed, deleted, recreated and broken."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from receipt_demo.catalog import DAIRY
from receipt_demo.items import Item, items_of, label, metadata
from receipt_demo.receipts import SEED, Receipt, Word

VALIDATED: Final = 400  # labels a person gets through
RENAMED_FROM: Final = "Green Basket"
RENAMED_TO: Final = "Green Basket Cooperative"
_MINUTES_LATER: Final = 240

# A message that no reading can make sense of: its entity has no ids.
POISON: Final = json.dumps(
    {
        "source": "dynamodb_stream",
        "entity_type": "RECEIPT_WORD_LABEL",
        "entity_data": {"image_id": "not an id", "receipt_id": "many"},
        "changes": {},
        "event_name": "MODIFY",
    }
)


@dataclass(frozen=True)
class Afternoon:
    """The edits: items to put, and the receipts that go, or go and come back."""

    validated: Sequence[Item]
    invalidated: Sequence[Item]
    renamed: Sequence[Item]
    deleted: Receipt
    recreated: Receipt


def plan(receipts: Sequence[Receipt]) -> Afternoon:
    """Plan the afternoon; the same receipts give the same plan."""
    chance = random.Random(SEED)  # noqa: S311 - reproducible, guards nothing
    deleted, recreated = chance.sample(receipts, 2)
    left = [each for each in receipts if each not in (deleted, recreated)]
    named = [
        (receipt, word)
        for receipt in left
        for word in receipt.words
        if word.label == "PRODUCT_NAME"
    ]
    chance.shuffle(named)
    named.sort(key=lambda pair: pair[1].text not in DAIRY)  # the dairy shelf first
    right, wrong = named[:VALIDATED], named[VALIDATED : VALIDATED + 20]
    return Afternoon(
        validated=[_judged(receipt, word, "VALID") for receipt, word in right],
        invalidated=[_judged(receipt, word, "INVALID") for receipt, word in wrong],
        renamed=[
            metadata(receipt, RENAMED_TO)
            for receipt in left
            if receipt.merchant.name == RENAMED_FROM
        ],
        deleted=deleted,
        recreated=recreated,
    )


def remains_of(receipt: Receipt, runs: Sequence[Item]) -> list[Item]:
    """Return every item of a receipt that is to be deleted, its runs included."""
    own = list(items_of(receipt))
    key = own[0]["PK"], f"{own[0]['SK']['S']}#"
    return own + [run for run in runs if run["PK"] == key[0] and run["SK"]["S"].startswith(key[1])]


def _judged(receipt: Receipt, word: Word, status: str) -> Item:
    return label(receipt, word, "PRODUCT_NAME", status, minutes=_MINUTES_LATER)
