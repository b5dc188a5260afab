"""Words read by range and words read by key are the same words, whatever lies between them."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instep.aws.table import TableReader
from instep.clock import utc_now
from receipt_chroma.compaction import spans, words
from receipt_chroma.compaction.identity import EmbeddingId, ReceiptId
from tests.support.aws import ENTITIES, services
from tests.support.histories import key_of
from tests.support.items import Item, Paper
from tests.support.tables import Cloud

# One begins like another; a word's number begins like another's; all share a partition.
PAPERS: Final = (Paper("a", 1), Paper("a", 10), Paper("a", 100000), Paper("b", 1))
LINES: Final = (1, 2, 3, 10, 100000)
WORDS: Final = (1, 2, 3, 4, 20, 200000)
ENDINGS: Final = (
    "",
    "#LABEL#TAX",
    "#LABEL#A #LABEL# B",
    "#LABEL#\U0010ffff",
    "#LABEL#",
    "#LETTER#00001",
    "#LETTER#00002",
)

places = st.tuples(st.sampled_from(PAPERS), st.sampled_from(LINES), st.sampled_from(WORDS))


@st.composite
def items(draw: st.DrawFn) -> Item:
    """An item at a word, or below it, which may be past its time to live."""
    paper, line, word = draw(places)
    item = paper.word(line, word, text="x" * draw(st.sampled_from([0, 0, 3000])))
    item["SK"]["S"] += draw(st.sampled_from(ENDINGS))
    if draw(st.integers(0, 4)) == 0:
        item["TimeToLive"] = {"N": draw(st.sampled_from(["1000", "99999999999"]))}
    return item


def dense(paper: Paper) -> list[Item]:
    return [paper.word(line, word) for line in LINES[:3] for word in WORDS[:4]]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with pytest.MonkeyPatch.context() as patch, services(patch) as aws:
        yield Cloud(aws)


# As it is, by range alone, by key alone.
WAYS: Final[tuple[dict[tuple[Any, str], float], ...]] = (
    {},
    {(spans, "FEWEST"): 1, (words, "FEWEST"): 1, (words, "DEAREST"): float("inf")},
    {(spans, "FEWEST"): 10**6},
)


@settings(max_examples=settings().max_examples // 2)
@given(
    there=st.lists(items(), max_size=30),
    full=st.sets(st.sampled_from(PAPERS)),
    touched=st.sets(places, max_size=30),
    all_of=st.sets(st.sampled_from(PAPERS)),
    data=st.data(),
)
def test_every_way_reads_what_the_table_holds(
    cloud: Cloud,
    there: Sequence[Item],
    full: set[Paper],
    touched: set[Any],
    all_of: set[Paper],
    data: st.DataObject,
) -> None:
    table = {key_of(item): item for item in [*(one for p in full for one in dense(p)), *there]}
    cloud.write({**dict.fromkeys(map(key_of, cloud.items())), **table})
    asked = sorted(
        {EmbeddingId(ReceiptId(p.image, p.number), line, word) for p, line, word in touched}
        | {
            EmbeddingId(ReceiptId(p.image, p.number), line, word)
            for p in all_of
            for line in LINES[:3]
            for word in WORDS[:4]
        }
    )
    checked = {one for one in asked if data.draw(st.booleans(), label=f"check {one}")}
    labelled = {one for one in asked if one not in checked or data.draw(st.booleans())}

    alive = {
        key: item for key, item in table.items() if item.get("TimeToLive", {}).get("N") != "1000"
    }
    existing = {one for one in checked if one.key in alive}
    labels = {
        one: [
            sk
            for pk, sk in sorted(alive)
            if pk == one.key.pk and sk.startswith(f"{one.key.sk}#LABEL#")
            if one not in checked or one in existing
        ]
        for one in labelled
    }
    for way in WAYS:
        with pytest.MonkeyPatch.context() as patch:
            for (module, name), value in way.items():
                patch.setattr(module, name, value)
            reader = TableReader(cloud.dynamodb, ENTITIES)
            found = words.read_words(reader, checked, labelled, utc_now())
        assert found.existing == existing
        read = {one: [item["SK"]["S"] for item in items] for one, items in found.labels.items()}
        assert read == labels


@given(touched=st.sets(places, max_size=40))
def test_every_word_is_in_one_run_or_a_loner_and_a_run_is_of_one_receipt_in_order(
    touched: set[Any],
) -> None:
    asked = {EmbeddingId(ReceiptId(p.image, p.number), line, word) for p, line, word in touched}
    runs, loners = spans.split(asked)
    assert sorted([*loners, *(word for run in runs for word in run)]) == sorted(asked)
    for run in runs:
        assert len(run) >= spans.FEWEST
        assert len({word.receipt for word in run}) == 1
        assert [word.key.sk for word in run] == sorted(word.key.sk for word in run)
