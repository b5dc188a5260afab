"""A receipt as items of the table, in DynamoDB JSON; names and keys are docs/domain.md's."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from receipt_demo.receipts import Receipt, Word

Item = dict[str, Any]

_PROPOSED_BY = "label-model-2"


def image_key(receipt: Receipt) -> str:
    """Return the partition key."""
    return f"IMAGE#{receipt.image_id}"


def receipt_key(receipt: Receipt) -> str:
    """Return the sort key of the RECEIPT item, the beginning of all others'."""
    return f"RECEIPT#{receipt.receipt_id:05d}"


def line_key(receipt: Receipt, line_id: int) -> str:
    """Return a line's sort key."""
    return f"{receipt_key(receipt)}#LINE#{line_id:05d}"


def word_key(receipt: Receipt, word: Word) -> str:
    """Return a word's sort key."""
    return f"{line_key(receipt, word.line_id)}#WORD#{word.word_id:05d}"


def items_of(receipt: Receipt) -> Iterator[Item]:
    """Yield the items of a receipt: itself, merchant, lines, words, labels; no run."""
    key = receipt_key(receipt)
    yield _item(receipt, "RECEIPT", key, timestamp_added=receipt.bought_at.isoformat())
    yield metadata(receipt, receipt.merchant.name)
    for line in receipt.lines:
        line_sk = line_key(receipt, line.line_id)
        yield _item(receipt, "RECEIPT_LINE", line_sk, text=line.text, is_noise=False)
        for word in line.words:
            yield _item(
                receipt,
                "RECEIPT_WORD",
                word_key(receipt, word),
                text=word.text,
                is_noise=False,
                bounding_box={"x": word.x, "y": word.y, "width": word.width},
            )
            if word.label is not None:
                yield label(receipt, word, word.label, "PENDING")


def metadata(receipt: Receipt, merchant_name: str) -> Item:
    """Return the RECEIPT_METADATA item, with `merchant_name` as the canonical one."""
    merchant = receipt.merchant
    return _item(
        receipt,
        "RECEIPT_METADATA",
        f"{receipt_key(receipt)}#METADATA",
        place_id=f"place-{merchant.phone}",
        merchant_name=merchant.printed,
        canonical_merchant_name=merchant_name,
        merchant_category=merchant.category,
        address=merchant.street,
        phone_number=f"555-{merchant.phone}",
    )


def label(receipt: Receipt, word: Word, name: str, status: str, *, minutes: int = 5) -> Item:
    """Return a RECEIPT_WORD_LABEL item, added so many minutes after the purchase."""
    return _item(
        receipt,
        "RECEIPT_WORD_LABEL",
        f"{word_key(receipt, word)}#LABEL#{name}",
        reasoning=f"{word.text} reads as {name.replace('_', ' ').lower()}",
        timestamp_added=(receipt.bought_at + timedelta(minutes=minutes)).isoformat(),
        validation_status=status,
        label_proposed_by=_PROPOSED_BY,
        label_consolidated_from=None,
    )


def run(receipt: Receipt, run_id: str, prefixes: Mapping[str, str]) -> Item:
    """Return a COMPACTION_RUN item; `prefixes` maps collection to where its delta lies."""
    return _item(
        receipt,
        "COMPACTION_RUN",
        f"{receipt_key(receipt)}#COMPACTION_RUN#{run_id}",
        run_id=run_id,
        lines_delta_prefix=prefixes["lines"],
        words_delta_prefix=prefixes["words"],
        lines_state="PENDING",
        words_state="PENDING",
    )


def _item(receipt: Receipt, entity: str, key: str, **values: Any) -> Item:
    own = {"PK": image_key(receipt), "SK": key, "TYPE": entity}
    return {name: _attribute(value) for name, value in {**own, **values}.items()}


def _attribute(value: Any) -> dict[str, Any]:
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float):
        return {"N": str(value)}
    if isinstance(value, dict):
        return {"M": {name: _attribute(inner) for name, inner in value.items()}}
    return {"S": str(value)}
