"""The demo's receipts and afternoon: the same every time, whole, and as domain.md has them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import pytest

from instep.chroma.reach import unreachable
from receipt_demo.afternoon import POISON, RENAMED_FROM, plan, remains_of
from receipt_demo.items import items_of, run
from receipt_demo.receipts import COUNT, generate
from receipt_demo.vectors import vectors_of
from receipt_domain.oracle import expected
from receipt_dynamo_stream import build_messages_from_records

RECEIPTS = generate()


def test_the_same_seed_gives_the_same_receipts() -> None:
    assert generate(count=20) == RECEIPTS[:20]
    assert generate(count=5, seed=1) != RECEIPTS[:5]


def test_receipts_are_many_bounded_and_whole() -> None:
    assert len(RECEIPTS) == COUNT == 300
    assert len({(each.image_id, each.receipt_id) for each in RECEIPTS}) == COUNT
    assert max(each.receipt_id for each in RECEIPTS) > 1  # some share an image
    assert all(7 <= len(each.lines) <= 9 for each in RECEIPTS)


def test_prices_add_up() -> None:
    for receipt in RECEIPTS:
        cents = {
            label: sum(
                int(word.text.replace(".", "")) for word in receipt.words if word.label == label
            )
            for label in ("LINE_TOTAL", "SUBTOTAL", "TAX", "GRAND_TOTAL")
        }
        assert cents["LINE_TOTAL"] == cents["SUBTOTAL"]
        assert cents["SUBTOTAL"] + cents["TAX"] == cents["GRAND_TOTAL"]


def test_every_line_and_word_has_an_item_and_an_embedding() -> None:
    some = RECEIPTS[:12]
    wanted = expected(item for receipt in some for item in items_of(receipt))
    for collection, vectors in vectors_of(some).items():
        assert set(vectors.ids) == set(wanted[collection])
        assert len(vectors.embeddings) == len(vectors.ids) == len(vectors.metadatas)


@pytest.mark.parametrize("name", ["lines", "words"])
def test_a_search_reaches_embeddings_whatever_order_they_arrive_in(
    tmp_path: Path, name: str
) -> None:
    """All but one or two of a thousand, by chance: of vectors that are one and the same, chromadb's
    index loses a hundred and more.
    """
    vectors = vectors_of(RECEIPTS)[name].embeddings
    order = np.random.default_rng().permutation(len(vectors))
    client: Any = chromadb.PersistentClient(tmp_path)
    collection = client.create_collection(name, embedding_function=None)
    for chunk in np.array_split(order, 3):
        collection.add(ids=[str(at) for at in chunk], embeddings=vectors[chunk])
    assert len(unreachable(collection, 1_000)[1]) <= 3
    client.close()


def test_the_afternoon_has_everything_it_tells_of() -> None:
    afternoon = plan(RECEIPTS)
    assert plan(RECEIPTS) == afternoon
    states = Counter(item["validation_status"]["S"] for item in afternoon.validated)
    assert states == {"VALID": 400}
    assert afternoon.invalidated
    assert {item["merchant_name"]["S"] for item in afternoon.renamed} == {"GREEN BASKET CO-OP"}
    assert RENAMED_FROM not in {item["canonical_merchant_name"]["S"] for item in afternoon.renamed}
    assert afternoon.deleted != afternoon.recreated


def test_what_remains_of_a_receipt_includes_its_runs_and_no_neighbours() -> None:
    receipt = next(each for each in RECEIPTS if each.receipt_id == 2)
    neighbour = next(each for each in RECEIPTS if each.image_id == receipt.image_id)
    prefixes = {"lines": "a", "words": "b"}
    runs = [run(receipt, "r1", prefixes), run(neighbour, "r2", prefixes)]
    gone = remains_of(receipt, runs)
    assert len(gone) == len(list(items_of(receipt))) + 1
    assert all(item["SK"]["S"].startswith("RECEIPT#00002") for item in gone)


def test_the_poison_is_poison() -> None:
    assert build_messages_from_records([json.loads(POISON)]) == []
