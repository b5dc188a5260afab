"""What a run reads of the table follows what was touched: in requests and in read units."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from tests.support.aws import ENTITIES
from tests.support.capacity import counted
from tests.support.items import Item, Paper, item
from tests.support.tables import Cloud
from tests.unit.compaction.conftest import Apply, carried, embed

PAPER = Paper()
WORDS = [(line, word) for line in range(1, 26) for word in range(1, 5)]
FORTY = WORDS[:40]


def label_of(paper: Paper, word: tuple[int, int]) -> Any:
    ids: dict[str, Any] = {"line_id": word[0], "word_id": word[1]}
    return paper.message("RECEIPT_WORD_LABEL", collections=("words",), **ids, label="TAX")


def word_gone(paper: Paper, word: tuple[int, int]) -> Any:
    ids: dict[str, Any] = {"line_id": word[0], "word_id": word[1]}
    return paper.message("RECEIPT_WORD", "REMOVE", collections=("words",), **ids)


def whole(paper: Paper, letters: int = 0, words: Sequence[tuple[int, int]] = WORDS) -> list[Item]:
    """A receipt as large as they are: geometry makes a word or a letter of 700 bytes or so."""
    items = [paper.receipt(), paper.metadata(merchant_name="costco")]
    for word in words:
        items += [
            paper.word(*word, geometry="x" * 600),
            paper.label(*word, "TAX", "VALID", reasoning="y" * 150),
            *letters_of(paper, word, range(letters)),
        ]
    return items


def letters_of(paper: Paper, word: tuple[int, int], numbers: Iterable[int]) -> list[Item]:
    key = paper.word(*word)
    pk, sk = key["PK"]["S"], key["SK"]["S"]
    return [
        item(pk, f"{sk}#LETTER#{at:05d}", "RECEIPT_LETTER", geometry="x" * 550) for at in numbers
    ]


@pytest.mark.invariant(6)
@pytest.mark.domain("bounded-reads")
def test_few_words_are_read_by_key_and_label_prefix_and_strongly_consistent(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    cloud.put(*whole(PAPER))
    embed(words, [PAPER.word_id(*word) for word in WORDS])
    with counted(cloud.dynamodb) as reads:
        apply(label_of(PAPER, (1, 2)), PAPER.message("RECEIPT_METADATA"), word_gone(PAPER, (1, 3)))
    (query,) = reads.of("Query")
    assert query["ExpressionAttributeValues"][":first"]["S"].endswith("#WORD#00002#LABEL#")
    assert {name for name, _ in reads.calls} == {"BatchGetItem", "Query"}
    assert len(reads.keys()) == 4  # METADATA, PLACE, RECEIPT, and the word that went
    requests = [one["RequestItems"][ENTITIES] for one in reads.of("BatchGetItem")]
    assert all(one["ConsistentRead"] is True for one in [query, *requests])


@pytest.mark.invariant(6)
@pytest.mark.domain("bounded-reads")
def test_a_thousand_letters_cost_a_word_no_read(cloud: Cloud, words: Any, apply: Apply) -> None:
    cloud.put(*whole(PAPER))
    embed(words, [PAPER.word_id(*word) for word in WORDS])
    signals = label_of(PAPER, (1, 2)), PAPER.message("RECEIPT_METADATA"), word_gone(PAPER, (1, 3))
    with counted(cloud.dynamodb):
        bare = apply(*signals).read_units
        cloud.put(*letters_of(PAPER, (1, 2), range(1000)))
        assert apply(*signals).read_units == bare > 0


@pytest.mark.invariant(6)
@pytest.mark.domain("wrong-flood")
def test_a_flood_reads_every_word_once_and_each_merchant_once(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    """Ten messages a word, as a flood brings them: what is read is the receipt, not the flood."""
    cloud.put(*whole(PAPER))
    embed(words, [PAPER.word_id(*word) for word in WORDS])
    once = [label_of(PAPER, word) for word in WORDS]
    with counted(cloud.dynamodb) as reads:
        result = apply(*once * 10, *[PAPER.message("RECEIPT_METADATA")] * 50)
    assert result.read_requests == len(reads.calls) == 3
    assert result.read_units == reads.units
    assert len(reads.keys()) == 2


@pytest.mark.invariant(6)
@pytest.mark.domain("bounded-reads")
def test_where_changes_are_dense_a_request_reads_many_of_them_for_fewer_units(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    papers = [Paper(f"img-{number}") for number in range(4)]
    for paper in papers:
        cloud.put(*whole(paper))
        embed(words, [paper.word_id(*word) for word in WORDS])
    with counted(cloud.dynamodb):
        result = apply(*(label_of(paper, word) for paper in papers for word in WORDS))
    assert result.total_labels_updated == 400
    assert result.read_requests <= 0.03 * 400
    assert result.read_units <= 0.3 * 400  # by key each word costs one
    assert carried(words, papers[2].word_id(25, 4))["valid_labels"] == ",TAX,"


@pytest.mark.invariant(6)
@pytest.mark.domain("bounded-reads")
def test_what_one_receipt_needed_is_asked_for_at_once_of_the_next(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    papers = [Paper(f"img-{number}") for number in range(20)]
    for paper in papers:
        cloud.put(*whole(paper, words=FORTY))
        embed(words, [paper.word_id(*word) for word in FORTY])
    with counted(cloud.dynamodb):
        result = apply(*(label_of(paper, word) for paper in papers for word in FORTY))
    assert result.total_labels_updated == 800
    # Two pages a receipt for those that are read first, side by side, and one for the rest.
    assert result.read_requests <= 8 * 2 + 12 + 6


@pytest.mark.invariant(6)
@pytest.mark.domain("bounded-reads")
@pytest.mark.parametrize(
    ("letters", "requests", "units"),
    [(0, 3, 11), (3, 3, 30), (6, 3, 48), (10, 35, 47), (30, 40, 44)],
)
def test_letters_between_the_words_are_read_only_while_they_cost_little(
    cloud: Cloud, words: Any, apply: Apply, letters: int, requests: int, units: int
) -> None:
    cloud.put(*whole(PAPER, letters, FORTY))
    embed(words, [PAPER.word_id(*word) for word in FORTY])
    with counted(cloud.dynamodb):
        result = apply(*(label_of(PAPER, word) for word in FORTY))
    assert result.total_labels_updated == 40
    assert result.read_requests <= requests
    assert result.read_units <= units  # by key: 40 of each


@pytest.mark.invariant(6)
@pytest.mark.domain("bounded-reads")
@pytest.mark.parametrize("letters", [0, 8])
def test_one_word_of_many_receipts_costs_a_request_and_a_unit_each(
    cloud: Cloud, words: Any, apply: Apply, letters: int
) -> None:
    papers = [Paper(f"img-{number}") for number in range(10)]
    for at, paper in enumerate(papers):
        cloud.put(*whole(paper, letters, WORDS[at : at + 3]))
        embed(words, [paper.word_id(*WORDS[at + 1])])
    with counted(cloud.dynamodb):
        result = apply(*(label_of(paper, WORDS[at + 1]) for at, paper in enumerate(papers)))
    assert result.total_labels_updated == result.read_requests == result.read_units == 10


@pytest.mark.invariant(6)
@pytest.mark.domain("bounded-reads")
@pytest.mark.parametrize(("every", "dearer"), [(2, 1.5), (3, 1.1), (4, 1.1), (10, 1.0)])
@pytest.mark.parametrize("letters", [0, 5])
def test_some_words_of_a_receipt_cost_about_what_they_cost_by_key(
    cloud: Cloud, words: Any, apply: Apply, every: int, dearer: float, letters: int
) -> None:
    cloud.put(*whole(PAPER, letters, FORTY))
    embed(words, [PAPER.word_id(*word) for word in FORTY])
    touched = FORTY[::every]
    with counted(cloud.dynamodb):
        result = apply(*(label_of(PAPER, word) for word in touched))
    assert result.total_labels_updated == len(touched)
    assert result.read_requests <= len(touched) + 1
    assert result.read_units <= dearer * len(touched)


@pytest.mark.invariant(6)
@pytest.mark.domain("bounded-reads")
def test_the_end_of_a_receipt_is_one_read_whatever_it_had(
    cloud: Cloud, words: Any, apply: Apply
) -> None:
    """Its embeddings are found in the store; that they are to go, its own item says."""
    embed(words, [PAPER.word_id(*word) for word in WORDS])
    cloud.delete(PAPER.receipt())
    with counted(cloud.dynamodb):
        result = apply(
            *(word_gone(PAPER, word) for word in WORDS), PAPER.message("RECEIPT", "REMOVE")
        )
    assert result.embeddings_deleted == 100
    assert (result.read_requests, result.read_units) == (1, 1)


@pytest.mark.invariant(6)
@pytest.mark.domain("bounded-reads")
def test_a_receipt_looked_up_whole_is_read_in_a_few_requests(
    cloud: Cloud, words: Any, lines: Any, apply: Apply
) -> None:
    cloud.put(*whole(PAPER), *(PAPER.line(line) for line in range(1, 26)))
    embed(words, [PAPER.word_id(*word) for word in WORDS])
    embed(lines, [PAPER.line_id(line) for line in range(1, 26)])
    signal = PAPER.message("RECEIPT", "MODIFY")
    with counted(cloud.dynamodb):
        of_words, of_lines = apply(signal), apply(signal, collection="lines")
    assert of_words.total_labels_updated == 100
    assert of_lines.total_metadata_updated == 25
    assert of_words.read_requests <= 4
    assert of_words.read_units <= 100  # by key: the words, and their labels, are 100 each
    assert (of_lines.read_requests, of_lines.read_units) == (2, 28)
