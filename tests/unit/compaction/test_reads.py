"""What a run reads of the table follows what was touched, never the letters between the words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.items import Paper, item
from tests.support.tables import Cloud
from tests.unit.compaction.conftest import Apply, embed

PAPER = Paper()
WORDS = [(1, number) for number in range(1, 41)]


def signals() -> list[Any]:
    """One label of one word, the merchant, a word that went."""
    ids: dict[str, Any] = {"line_id": 1, "word_id": 2}
    return [
        PAPER.message("RECEIPT_WORD_LABEL", collections=("words",), **ids, label="TAX"),
        PAPER.message("RECEIPT_METADATA"),
        PAPER.message("RECEIPT_WORD", "REMOVE", collections=("words",), line_id=1, word_id=3),
    ]


@contextmanager
def listened(cloud: Cloud) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Yield the DynamoDB calls of the block, by operation and parameters."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def hear(params: dict[str, Any], model: Any, **_: Any) -> None:
        calls.append((model.name, params))

    event = "provide-client-params.dynamodb"
    cloud.dynamodb.meta.events.register(event, hear)
    yield calls
    cloud.dynamodb.meta.events.unregister(event, hear)


@pytest.mark.invariant(6)
@pytest.mark.domain("bounded-reads")
def test_reads_are_by_key_and_by_label_prefix_and_strongly_consistent(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    cloud.put(*(PAPER.word(*word) for word in WORDS), PAPER.label(1, 2, "TAX", "VALID"))
    embed(words, [PAPER.word_id(*word) for word in WORDS])
    with listened(cloud) as calls:
        apply(*signals())
    assert {name for name, _ in calls} == {"BatchGetItem", "Query"}
    queries = [params for name, params in calls if name == "Query"]
    assert [one["ExpressionAttributeValues"][":labels"]["S"] for one in queries] == [
        f"{PAPER.word(1, 2)['SK']['S']}#LABEL#"
    ]
    reads = [
        request
        for name, params in calls
        for request in (params["RequestItems"].values() if name == "BatchGetItem" else [params])
    ]
    assert all(request["ConsistentRead"] is True for request in reads)
    keys = [key["SK"]["S"] for request in reads for key in request.get("Keys", ())]
    assert len(keys) == 3  # METADATA, PLACE, and the word that went


@pytest.mark.invariant(6)
@pytest.mark.domain("bounded-reads")
def test_a_thousand_letters_cost_no_read(cloud: Cloud, words: Any, apply: Apply) -> None:
    cloud.put(*(PAPER.word(*word) for word in WORDS), PAPER.label(1, 2, "TAX", "VALID"))
    embed(words, [PAPER.word_id(*word) for word in WORDS])
    bare = apply(*signals()).read_units
    word = PAPER.word(1, 2)
    pk, sk = word["PK"]["S"], word["SK"]["S"]
    cloud.put(
        *(item(pk, f"{sk}#LETTER#{at:05d}", "RECEIPT_LETTER", text="x") for at in range(1000))
    )
    assert apply(*signals()).read_units == bare > 0


@pytest.mark.invariant(6)
@pytest.mark.domain("wrong-flood")
def test_a_bulk_relabel_reads_every_word_once_and_each_merchant_once(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    """Ten messages a word, as a flood brings them: what is read is the receipt, not the flood."""
    cloud.put(*(PAPER.word(*word) for word in WORDS))
    embed(words, [PAPER.word_id(*word) for word in WORDS])
    flood = [
        PAPER.message(
            "RECEIPT_WORD_LABEL", collections=("words",), line_id=line, word_id=word, label=f"L{at}"
        )
        for line, word in WORDS
        for at in range(10)
    ]
    with listened(cloud) as calls:
        apply(*flood, *[PAPER.message("RECEIPT_METADATA")] * 50)
    names = [name for name, _ in calls]
    assert names.count("Query") == len(WORDS)
    assert names.count("BatchGetItem") == 1
