"""Invariant 4, for any history: in whatever order, however often and in whatever batches the
records arrive, every embedding ends up carrying what the table says, as tools/oracle.py reads it.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
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
@settings(max_examples=settings().max_examples // 2)
@given(history=histories, data=st.data())
def test_order_duplicates_batches_and_deaths_do_not_matter(
    lab: Lab, history: Sequence[Act], data: st.DataObject
) -> None:
    lived = lab.begin()
    heard = 0
    for act in history:
        lab.live(act)
        match data.draw(st.sampled_from(["waits", "waits", "is heard", "dies"])):
            case "is heard":
                lab.hear(lived.records[heard:])
                heard = len(lived.records)
            case "dies":
                lab.hear(lived.records[heard:], dies_before_settling=True)

    left = lived.records[heard:]
    again = data.draw(st.lists(st.sampled_from(lived.records), max_size=6))
    for batch in cut(data.draw(st.permutations(left + again)), data):
        lab.hear(batch)
    lab.assert_in_step()

    settled = lab.carried()
    written = [
        (result.total_metadata_updated, result.total_labels_updated, result.embeddings_deleted)
        for result in lab.hear(lived.records)
    ]
    assert set(written) <= {(0, 0, 0)}
    assert lab.carried() == settled


def cut(records: Records, data: st.DataObject) -> Iterator[Records]:
    """Split records into batches anywhere."""
    cuts = data.draw(st.sets(st.integers(0, len(records)), max_size=3))
    edges = [0, *sorted(cuts), len(records)]
    for start, end in pairwise(edges):
        yield records[start:end]


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
