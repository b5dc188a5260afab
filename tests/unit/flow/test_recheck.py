"""Ids in parts, every id in exactly one, whatever it is; and a record of ours is known as such."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.domain import RecordRejected
from instep.flow.encoding import encode
from instep.flow.envelope import Delivery
from instep.flow.recheck import IDS, Recheck, named_by, parts_for
from instep.lambda_.intake import Intake, take_in
from instep.metrics import NoMetrics
from receipt_domain import DOMAIN

IDS_OF_ANY_KIND = st.sets(st.text(min_size=1, max_size=30), max_size=60)


@given(IDS_OF_ANY_KIND, st.integers(1, 40))
def test_every_id_is_in_exactly_one_part(ids: set[str], of: int) -> None:
    parts = [set(named_by([Recheck("words", part, of)], ids)) for part in range(of)]
    assert set().union(*parts) == ids
    assert sum(map(len, parts)) == len(ids)


@given(IDS_OF_ANY_KIND, st.integers(1, 9), st.integers(1, 9))
def test_parts_of_two_divisions_name_an_id_once(ids: set[str], one: int, other: int) -> None:
    rechecks = [Recheck("words", 0, one), *(Recheck("words", part, other) for part in range(other))]
    assert sorted(named_by(rechecks, ids)) == sorted(ids)


@given(st.integers(0, 10**6), st.integers(1, 40))
def test_a_part_is_no_more_than_a_messages_work(embeddings: int, shares: int) -> None:
    parts = parts_for(embeddings, shares)
    assert parts >= 1
    assert (parts - 1) * IDS * shares < max(1, embeddings) <= parts * IDS * shares or not embeddings


def test_a_record_comes_back_as_it_went() -> None:
    recheck = Recheck("words", 3, 400)
    record = json.loads(json.dumps(recheck.to_record()))
    assert Recheck.read(record) == recheck
    assert Recheck.read_text(encode(recheck.signal.content)) == recheck


@pytest.mark.parametrize("record", [{}, {"dynamodb": {}}, {"Recheck": {}, "more": 1}, [], "text"])
def test_what_is_a_domains_is_left_to_it(record: Any) -> None:
    assert Recheck.read(record) is None


@pytest.mark.parametrize(
    "given_",
    [
        None,
        {},
        {"collection": "words", "part": 0},
        {"collection": "words", "part": 1, "of": 1},
        {"collection": "words", "part": -1, "of": 1},
        {"collection": "words", "part": 0, "of": 0},
        {"collection": "words", "part": False, "of": True},
        {"collection": "words", "part": 0, "of": 10**30},
        {"collection": 7, "part": 0, "of": 1},
        {"collection": "words", "part": "0", "of": 1},
    ],
)
def test_a_broken_one_of_ours_is_rejected_with_its_reason(given_: Any) -> None:
    with pytest.raises(RecordRejected, match="`Recheck`"):
        Recheck.read({"Recheck": given_})


def taken(*records: Any) -> Intake:
    body = json.dumps({"Records": records})
    return take_in([], [Delivery("m-1", "h-1", body, {}, 0)], DOMAIN, NoMetrics())


def test_it_feeds_its_own_collection_and_others_stand_beside_it() -> None:
    intake = taken(*(Recheck("words", part, 3).to_record() for part in (0, 2, 0)))
    assert {name: len(batch) for name, batch in intake.batches.items()} == {"words": 2}
    assert intake.poison == []


def test_a_collection_that_there_is_not_is_poison() -> None:
    intake = taken(Recheck("letters", 0, 1).to_record(), Recheck("lines", 0, 1).to_record())
    assert list(intake.batches) == ["lines"]
    (poison,) = intake.poison
    assert "letters" in poison.reason
    assert "lines, words" in poison.reason
