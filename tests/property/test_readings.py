"""One item has one reading: parser, derivation and oracle agree on whatever its key and attributes
are, and no change of what they make of it passes without a signal.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import chromadb
import pytest
from chromadb.config import Settings
from hypothesis import given, settings
from hypothesis import strategies as st

from instep.clock import utc_now
from receipt_chroma.compaction.attributes import is_alive, text
from receipt_domain.oracle import compare, expected
from receipt_dynamo_stream import (
    RecordRejected,
    build_messages_from_records,
    is_relevant,
    parse_record,
    trim,
)
from receipt_dynamo_stream.entities import FEEDING
from tests.support.aws import services
from tests.support.convergence import Lab
from tests.support.filters import lets_through
from tests.support.histories import PAPERS, Write, arrival, body, key_of
from tests.support.items import Item, record
from tests.support.tables import Cloud

PAPER = PAPERS[0]
LETTERS = st.one_of(
    st.sampled_from("#, \nabZÄß\N{LATIN SMALL LETTER DOTLESS I}\N{KELVIN SIGN}'-"),
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
)
NAMES = st.one_of(
    st.sampled_from(["", "", "#", "TOTAL", "total", "a, b", "x#LABEL#y", "#LABEL#", "LETTER#1"]),
    st.text(LETTERS, max_size=8),
)
TEXTS = st.one_of(
    st.sampled_from(["", " ", "VALID", "INVALID", "PENDING", "valid", "20260101", "2026-01-01"]),
    st.datetimes(timezones=st.sampled_from([None, UTC])).map(datetime.isoformat),
    st.text(LETTERS, max_size=8),
)
READ: st.SearchStrategy[Any] = st.one_of(
    TEXTS.map(lambda value: {"S": value}),
    st.integers(-(10**9), 10**9).map(lambda value: {"N": str(value)}),
    st.just({"NULL": True}),
)
OTHERS: st.SearchStrategy[Any] = st.sampled_from(
    [{"B": b"1"}, {"BOOL": True}, {"SS": ["VALID"]}, {"NS": ["1"]}, {"L": [{"S": "1"}]}, {"M": {}}]
)
ATTRIBUTES = st.one_of(st.none(), READ, READ, OTHERS)  # None: absent
STATUSES = st.sampled_from([{"S": "VALID"}, {"S": "INVALID"}, {"S": "PENDING"}])
SAME_TIME = st.sampled_from([{"S": "2026-01-01"}, {"S": "2026-01-01T01:00:00+01:00"}])
LIKELY = {
    "validation_status": st.one_of(STATUSES, STATUSES, ATTRIBUTES),
    "timestamp_added": st.one_of(SAME_TIME, SAME_TIME, ATTRIBUTES),
}
MOMENTS = [datetime.fromtimestamp(at, UTC) for at in (500, 1500, 2500)]
EXPIRIES = st.one_of(
    st.none(),
    st.sampled_from([{"N": "1000"}, {"N": "2000.5"}, {"N": "32503680000"}]),
    ATTRIBUTES,
)


def items(base: Item) -> st.SearchStrategy[Item]:
    """The item with any attributes that feed its kind, and perhaps an expiry."""
    *fields, expiry = FEEDING[base["TYPE"]["S"]]
    bare = {name: base[name] for name in ("PK", "SK", "TYPE")}
    strategies = {name: LIKELY.get(name, ATTRIBUTES) for name in fields} | {expiry: EXPIRIES}
    return st.fixed_dictionaries(strategies).map(
        lambda drawn: bare | {name: one for name, one in drawn.items() if one is not None}
    )


LABELS = NAMES.flatmap(lambda name: items(PAPER.label(1, 1, name, None)))
ANY = st.one_of(
    LABELS,
    LABELS,
    items(PAPER.metadata()),
    items(PAPER.place()),
    st.sampled_from(body(PAPER)).flatmap(items),
)


def table(*made: Item) -> list[Item]:
    """A receipt with these items in it; of two with one key the last."""
    return list({key_of(one): one for one in [*body(PAPER), *made]}.values())


def other_types(item: Mapping[str, Any]) -> set[str]:
    """The feeding fields that the contract refuses, as it says it."""
    *fields, _ = FEEDING[item["TYPE"]["S"]]
    kinds = {name: next(iter(item[name])) for name in fields if name in item}
    return {name for name, kind in kinds.items() if kind not in {"S", "N", "NULL"}}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    scratch = tmp_path_factory.mktemp("readings")
    store: Any = chromadb.PersistentClient(
        str(scratch / "chroma"), settings=Settings(anonymized_telemetry=False)
    )
    with pytest.MonkeyPatch.context() as patch, services(patch) as aws:
        yield Lab(Cloud(aws), store, scratch)
    store.close()


@pytest.mark.invariant(4)
@pytest.mark.domain("number-is-text", "other-types", "label-name", "times")
@settings(max_examples=settings().max_examples // 2)
@given(st.lists(ANY, min_size=1, max_size=5))
def test_the_pipeline_and_the_oracle_read_any_item_alike(lab: Lab, made: list[Item]) -> None:
    """With the delta every item is looked up, also one whose record is poison."""
    lived = lab.begin()
    lab.live([*arrival(PAPER, 1), *(Write(one) for one in made)])
    lab.hear(lived.records)
    assert compare(expected(lived.table.values(), utc_now()), lab.carried()) == []


EXPIRING = st.sampled_from(
    [
        *body(PAPER),
        PAPER.metadata(merchant_name="old", address="here"),
        PAPER.place(merchant_name="new"),
        PAPER.label(1, 1, "TOTAL", "VALID"),
        PAPER.label(1, 1, "TAX", "INVALID"),
    ]
)
LIVES = st.sampled_from([{}, {"TimeToLive": {"N": "1000"}}, {"TimeToLive": {"N": "32503680000"}}])


@pytest.mark.invariant(4)
@pytest.mark.domain("ttl", "expiry-signal", "lives-with-its-item")
@settings(max_examples=settings().max_examples // 2)
@given(st.lists(st.tuples(EXPIRING, LIVES), min_size=1, max_size=8), st.data())
def test_an_expiry_set_moved_or_taken_back_is_followed_in_any_order(
    lab: Lab, changes: list[tuple[Item, Item]], data: st.DataObject
) -> None:
    lived = lab.begin()
    lab.live(arrival(PAPER, 1))
    lab.hear(lived.records)
    heard = len(lived.records)
    for item, life in changes:
        lab.live([Write({**item, **life})])
        if data.draw(st.booleans()):
            lab.hear(lived.records[heard:])
            heard = len(lived.records)
    lab.hear(data.draw(st.permutations(lived.records[heard:])))
    assert compare(expected(lived.table.values(), utc_now()), lab.carried()) == []


@pytest.mark.domain("number-is-text", "other-types", "label-name")
@given(ANY)
def test_the_parser_and_the_derivation_read_any_item_alike(made: Item) -> None:
    *fields, _ = FEEDING[made["TYPE"]["S"]]
    refused = other_types(made)
    try:
        messages = parse_record(record(made))
    except RecordRejected as rejected:
        reason = str(rejected)
        assert [name for name in refused if f"attribute {name} is" in reason] != []
        assert [text(made, name) for name in refused] == [None] * len(refused)
        without = {name: value for name, value in made.items() if name not in refused}
        assert expected(table(made)) == expected(table(without))
        return
    if not messages:  # a label of no name
        assert made["SK"]["S"].endswith("#LABEL#")
        assert expected(table(made)) == expected(table())
        return
    assert refused == set()
    (message,) = messages
    read = {name: change.new for name, change in message.changes.items() if name in fields}
    assert read == {name: value for name in fields if (value := text(made, name)) is not None}


@pytest.mark.domain("ttl", "expiry-signal")
@given(items(PAPER.word(1, 1)))
def test_the_derivation_and_the_oracle_agree_on_who_is_past_its_time(made: Item) -> None:
    for moment in MOMENTS:
        there = PAPER.word_id(1, 1) in expected(table(made), moment)["words"]
        assert is_alive(made, moment) is there


@pytest.mark.invariant(4)
@pytest.mark.domain("relevant", "expiry-signal", "arrived", "relevance-first")
@given(ANY.flatmap(lambda one: st.tuples(st.just(one), st.one_of(st.none(), items(one)))))
def test_no_change_of_the_truth_is_without_a_signal(change: tuple[Item, Item | None]) -> None:
    """Of any item put, deleted or overwritten, at whatever moment it is looked at."""
    one, other = change
    rest = [
        item for item in table(PAPER.metadata(merchant_name="x")) if key_of(item) != key_of(one)
    ]
    for old, new in ((one, other), (other, one)):
        if old is None and new is None:
            continue
        made = record(new, old)
        before, after = ([*rest, *([it] if it else [])] for it in (old, new))
        differs = any(
            expected(before, moment) != expected(after, moment) for moment in (None, *MOMENTS)
        )
        try:
            relevant = is_relevant(made)
        except RecordRejected:
            assert new is not None
            assert other_types(new)
            continue
        assert relevant or not differs
        if relevant:
            assert lets_through(made)
            told, again = (build_messages_from_records([it]) for it in (made, trim(made)))
            assert [(it.identity, it.event_name, it.collections) for it in told] == [
                (it.identity, it.event_name, it.collections) for it in again
            ]
