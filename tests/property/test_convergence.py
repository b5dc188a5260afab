"""Invariant 4, for any history: in whatever order, however often and in whatever batches the
records arrive, every embedding ends up carrying what the table says, as
receipts/receipt_domain/oracle.py reads it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import chromadb
import pytest
from chromadb.config import Settings
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.aws import services
from tests.support.convergence import Lab
from tests.support.histories import PAPERS, Act, Write, arrival, departure, histories
from tests.support.tables import Cloud

Records = list[dict[str, Any]]
# What a run hears of the records that wait: mostly nothing, else all, or every second one.
HEARD = [*[slice(0)] * 3, slice(None), slice(0, None, 2), slice(1, None, 2)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab for every example: the deltas are written once."""
    scratch = tmp_path_factory.mktemp("lab")
    store: Any = chromadb.PersistentClient(
        str(scratch / "chroma"), settings=Settings(anonymized_telemetry=False)
    )
    with pytest.MonkeyPatch.context() as patch, services(patch) as aws:
        yield Lab(Cloud(aws), store, scratch)
    store.close()


@pytest.mark.invariant(4)
@pytest.mark.timeout(4 * 3600)
@settings(max_examples=settings().max_examples * 3 // 4)
@given(history=histories, data=st.data())
def test_order_duplicates_batches_and_deaths_do_not_matter(
    lab: Lab, history: Sequence[Act], data: st.DataObject
) -> None:
    lived = lab.begin()
    lab.most = data.draw(st.sampled_from([1, 4, 5000]), label="embeddings at once")
    waiting: Records = []
    for act in history:
        before = len(lived.records)
        lab.live(act)
        waiting += lived.records[before:]
        batch = waiting[data.draw(st.sampled_from(HEARD))]
        dies = data.draw(st.booleans())
        lab.hear(batch, dies_before_settling=dies)
        if not dies:
            waiting = [record for record in waiting if record not in batch]

    again = data.draw(st.lists(st.sampled_from(lived.records), max_size=4))
    for batch in dealt(waiting + again, data):
        lab.hear(batch)
    lab.assert_in_step()

    settled = lab.carried()
    written = [
        (result.total_metadata_updated, result.total_labels_updated, result.embeddings_deleted)
        for result in lab.hear(lived.records)
    ]
    assert set(written) <= {(0, 0, 0)}
    assert lab.carried() == settled


def dealt(records: Records, data: st.DataObject) -> Iterator[Records]:
    """Deal records out to four batches in any way, and shuffle each."""
    sizes = st.lists(st.integers(0, 3), min_size=len(records), max_size=len(records))
    batches = data.draw(sizes)
    for number in range(4):
        mine = [one for one, batch in zip(records, batches, strict=True) if batch == number]
        yield data.draw(st.permutations(mine))


def twice(records: Records) -> list[Records]:
    return [[*records, *records]]


def backwards(records: Records) -> list[Records]:
    return [records[::-1]]


def one_by_one(records: Records) -> list[Records]:
    return [[record] for record in records]


def one_by_one_backwards_and_again(records: Records) -> list[Records]:
    return [[record] for record in [*records[::-1], *records]]


@pytest.mark.invariant(4)
@pytest.mark.parametrize("arrange", [twice, backwards, one_by_one, one_by_one_backwards_and_again])
def test_an_afternoon_arrives_in_any_way(
    lab: Lab, arrange: Callable[[Records], list[Records]]
) -> None:
    """Receipts deleted and recreated, a label that changes its mind, a merchant that moves."""
    paper, neighbour, _ = PAPERS
    lived = lab.begin()
    for act in (
        [*arrival(paper, 1), *arrival(neighbour, 1)],
        [Write(paper.metadata(merchant_name="corner shop", place_id="p1"))],
        [Write(paper.label(1, 1, "TOTAL", status)) for status in ("PENDING", "INVALID", "VALID")],
        [*departure(paper), *arrival(paper, 2)],
        [Write(paper.place(merchant_name="new owner")), Write(paper.label(1, 2, "TAX", "VALID"))],
        departure(neighbour),
    ):
        lab.live(act)
    for batch in arrange(lived.records):
        lab.hear(batch)
    lab.assert_in_step()
    carried = lab.carried()
    assert set(carried["words"]) == lived.must_exist("words") != set()
    first, second = carried["words"][paper.word_id(1, 1)], carried["words"][paper.word_id(1, 2)]
    assert (first["merchant_name"], "label_status" in first) == ("New Owner", False)
    assert second["valid_labels"] == ",TAX,"
