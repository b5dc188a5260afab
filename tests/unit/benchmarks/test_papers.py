"""The papers' items are those of the embeddings their deltas bring, as the oracle reads them."""

from benchmarks.items import label, merchant
from benchmarks.papers import Papers
from receipt_domain.oracle import expected

PAPERS = Papers(3)


def test_every_word_and_line_has_its_item_under_its_receipts() -> None:
    wanted = expected(PAPERS.items())
    assert list(wanted["words"]) == PAPERS.ids
    assert len(wanted["words"]) == PAPERS.words == PAPERS.embeddings("words") == 300
    assert len(wanted["lines"]) == PAPERS.lines == PAPERS.embeddings("lines") == 60
    receipts = [item for item in PAPERS.items() if item["TYPE"]["S"] == "RECEIPT"]
    assert [f"{item['PK']['S']}#{item['SK']['S']}" for item in receipts] == [
        PAPERS.receipt(number) for number in range(3)
    ]


def test_another_seed_gives_other_words() -> None:
    assert not set(PAPERS.ids) & set(Papers(3, seed=1).ids)


def test_a_label_says_who_proposed_it_and_a_merchant_is_on_both_collections() -> None:
    word = PAPERS.ids[7]
    items = [*PAPERS.items(), label(word, "edit-1"), merchant(PAPERS.receipt(0), "milk & more")]
    wanted = expected(items)
    assert wanted["words"][word]["label_proposed_by"] == "edit-1"
    named = [
        id_
        for collection in ("lines", "words")
        for id_, fields in wanted[collection].items()
        if fields.get("merchant_name") == "Milk & More"
    ]
    assert len(named) == 20 + 100
