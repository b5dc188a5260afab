"""The claim check: one object a round, read as it was written, and payloads as small for any."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.flow.batch import Entry
from instep.flow.encoding import encode
from instep.flow.parking import (
    INLINE_BYTES,
    BatchRef,
    Held,
    Lines,
    ResultRef,
    fetch_deliveries,
    fetch_entries,
    fetch_result,
    park,
    park_result,
)
from instep.lambda_.payloads import CollectionOutcome, Next, ParseAnswer, SettleRequest, Tally
from tests.support.parking import Shelf

values = st.dictionaries(st.text(max_size=5), st.text(max_size=30), max_size=4)
entries = st.lists(
    st.builds(
        Entry,
        values.map(encode),
        st.lists(st.integers(0, 99), min_size=1, max_size=3).map(tuple),
        st.none() | st.just("2026-01-01T00:00:00+00:00"),
    ),
    max_size=5,
)


def lines_of(records: list[Any]) -> Lines:
    lines = Lines()
    for record in records:
        lines.add(encode(record))
    return lines


@given(
    st.lists(values, max_size=8),
    st.lists(st.builds(Held, st.text(), st.text(), *[st.integers(0, 9)] * 3, st.booleans())),
    st.dictionaries(st.sampled_from(["lines", "words", "more"]), entries),
)
def test_a_round_is_one_object_and_reads_back_as_it_was(
    records: list[Any], held: list[Held], batches: dict[str, list[Entry]]
) -> None:
    shelf = Shelf()
    deliveries, references = park(shelf, "batches/run/0", held, lines_of(records), batches)
    assert len(shelf.held) == 1
    deliveries = BatchRef.from_payload(json.loads(json.dumps(deliveries.to_payload())))
    found = fetch_deliveries(shelf, deliveries)
    assert found.held == held
    assert [json.loads(record) for record in found.records()] == records
    assert {name: list(fetch_entries(shelf, one)) for name, one in references.items()} == batches
    assert {name: one.count for name, one in references.items()} == {
        name: len(some) for name, some in batches.items()
    }


def test_the_same_round_is_parked_in_the_same_place_and_another_elsewhere() -> None:
    shelf = Shelf()
    for text in ("a", "a", "b"):
        park(shelf, "batches/run.1/0", [], lines_of([{"t": text}]), {})
    assert len(shelf.held) == 2
    assert all(key.startswith("batches/run.1/0/") for key in shelf.held)


def test_a_short_result_travels_in_the_payload_and_a_long_one_is_parked_beside_its_batch() -> None:
    shelf = Shelf()
    batch = BatchRef("batches/run.1/0/abc.jsonl.gz", 5, 7, 1)
    for failures, puts in ((0, 0), (500, 1)):
        result = {"failures": [{"index": at, "reason": "é"} for at in range(failures)]}
        reference = park_result(shelf, batch, result)
        payload = json.dumps(reference.to_payload())
        assert len(payload) < INLINE_BYTES + 50
        assert len(shelf.held) == puts
        assert fetch_result(shelf, ResultRef.from_payload(json.loads(payload))) == result
    assert [key.partition("abc")[0] for key in shelf.held] == ["batches/run.1/0/"]


@pytest.mark.domain("wrong-payload")
def test_the_payload_of_ten_collections_of_any_size_is_far_below_the_limit() -> None:
    """Step Functions ends an execution whose payload passes 256 KB, and nothing can catch that."""
    shelf, many = Shelf(), 3_000
    names = [f"collection-{at}-{'x' * 40}" for at in range(10)]
    batch = [Entry(encode({"entity": str(at)}), (at,)) for at in range(many)]
    held = [Held("h" * 1_000, "m" * 36, 0, at, 1) for at in range(many)]
    folder = f"batches/{'e' * 80}/49"
    deliveries, references = park(
        shelf, folder, held, lines_of([{}] * many), dict.fromkeys(names, batch)
    )
    items = []
    for at, (name, reference) in enumerate(references.items()):
        failures = [{"index": n, "reason": "r" * 30} for n in range(70 if at % 2 else many)]
        result = park_result(shelf, reference, {"failures": failures, "done": []})
        items.append(
            {
                "collection": name,
                "batch": reference.to_payload(),
                "outcome": {"status": "applied"},
                "staged": {"attempt": 1, "result": result.to_payload()},
                "error": {"Error": "E", "Cause": "c" * 1_000},
            }
        )
    began = datetime(2026, 1, 1, tzinfo=UTC)
    parsed = ParseAnswer(
        "e", began, Tally(), Next.WORK, began, deliveries=deliveries, batches=references
    )
    payload = {**parsed.to_payload(), "outcomes": items}
    assert len(json.dumps(payload)) < 64_000
    read = SettleRequest.from_payload(json.loads(json.dumps(payload)))
    assert [one.result is not None for one in read.outcomes] == [True] * 10
    first: CollectionOutcome = read.outcomes[0]
    assert first.result is not None
    assert len(fetch_result(shelf, first.result)["failures"]) == many
