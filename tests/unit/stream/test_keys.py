"""docs/domain.md, "The table": sort keys are matched whole, and ids come from them only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receipt_dynamo_stream.keys import (
    EntityKey,
    line_embedding_id,
    parse_key,
    word_embedding_id,
)

PK = "IMAGE#7c1f"


@pytest.mark.domain(
    "key-numbers",
    "label-name",
    "receipt",
    "receipt-line",
    "receipt-word",
    "receipt-metadata",
    "receipt-place",
    "receipt-word-label",
    "compaction-run",
)
@pytest.mark.parametrize(
    ("sk", "expected"),
    [
        ("RECEIPT#00001", EntityKey("RECEIPT", "7c1f", 1)),
        ("RECEIPT#00001#LINE#00002", EntityKey("RECEIPT_LINE", "7c1f", 1, 2)),
        ("RECEIPT#00001#LINE#00002#WORD#00003", EntityKey("RECEIPT_WORD", "7c1f", 1, 2, 3)),
        ("RECEIPT#00001#METADATA", EntityKey("RECEIPT_METADATA", "7c1f", 1)),
        ("RECEIPT#00001#PLACE", EntityKey("RECEIPT_PLACE", "7c1f", 1)),
        (
            "RECEIPT#00001#LINE#00002#WORD#00003#LABEL#Total",
            EntityKey("RECEIPT_WORD_LABEL", "7c1f", 1, 2, 3, label="TOTAL"),
        ),
        (
            "RECEIPT#00001#LINE#00002#WORD#00003#LABEL#a, b #LABEL# c",
            EntityKey("RECEIPT_WORD_LABEL", "7c1f", 1, 2, 3, label="A, B #LABEL# C"),
        ),
        (
            "RECEIPT#00001#COMPACTION_RUN#r#1",
            EntityKey("COMPACTION_RUN", "7c1f", 1, run_id="r#1"),
        ),
        ("RECEIPT#100000#LINE#123456", EntityKey("RECEIPT_LINE", "7c1f", 100000, 123456)),
    ],
)
def test_a_mirrored_entity_is_known_by_its_sort_key(sk: str, expected: EntityKey) -> None:
    assert parse_key(PK, sk) == expected


@pytest.mark.domain("sort-keys-whole", "ignored-and-counted")
@pytest.mark.parametrize(
    "sk",
    [
        "RECEIPT#00001#LINE#00002#WORD#00003#LETTER#00001",
        "RECEIPT#00001#SECTION#HEADER",
        "RECEIPT#00001#SUMMARY",
        "RECEIPT#00001#ROW#00001",
        "RECEIPT#00001#LINE_ITEM#00001",
        "RECEIPT#00001#SPATIAL_ANALYSIS",
        "LINE#00002",
        "LINE#00002#WORD#00003",
        "RECEIPT#000010",
        "RECEIPT#1",
        "RECEIPT#00001 ",
        "RECEIPT#00001\n",
        "RECEIPT#00001#LINE#00002#WORD#00003#LABEL#",
        "RECEIPT#00001#COMPACTION_RUN#",
        "RECEIPT#\N{ARABIC-INDIC DIGIT ONE}0001",
        "x#RECEIPT#00001",
        "",
    ],
)
def test_what_shares_the_partition_is_none_of_ours(sk: str) -> None:
    assert parse_key(PK, sk) is None


@pytest.mark.domain("image-partition")
@pytest.mark.parametrize("pk", ["LOCK#1", "BATCH#1", "PLACE#1", "IMAGE#", "IMAGE", "image#1", ""])
def test_other_partitions_are_ignored(pk: str) -> None:
    assert parse_key(pk, "RECEIPT#00001") is None


@pytest.mark.domain("embedding-id")
@given(
    st.text(min_size=1).filter(lambda text: text.strip()),
    *[st.integers(0, 10**18 - 1) for _ in range(3)],
)
def test_an_embedding_id_is_its_items_key(image: str, receipt: int, line: int, word: int) -> None:
    for id_, ids in (
        (line_embedding_id(image, receipt, line), (line, None)),
        (word_embedding_id(image, receipt, line, word), (line, word)),
    ):
        pk = f"IMAGE#{image}"
        key = parse_key(pk, id_.removeprefix(f"{pk}#"))
        assert key is not None
        assert (key.image_id, key.receipt_id) == (image, receipt)
        assert (key.line_id, key.word_id) == ids
