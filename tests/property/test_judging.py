"""The whole table held against what is carried, a subject at a time: the same as a plain reading,
and in no more memory than the ids need.
"""

import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from instep.aws.expiry import alive
from instep.aws.spooled import SpooledItems
from instep.brief import DOCUMENT, brief
from instep.domain import CollectionSpec, Difference
from instep.judging import Table, judge
from instep.keys import KeySchema
from instep.source import Derived
from instep.stamps import stamped

SCHEMA, NOW = KeySchema(), datetime(2026, 1, 1, tzinfo=UTC)
PAST, FUTURE = "1", str(2**40)
LONG = "a long text " * 30
EDITS: list[dict[str, Any]] = [
    {},
    {"stock": 9},
    {"more": 1},
    {DOCUMENT: "old"},
    {DOCUMENT: None},
]
Item = Mapping[str, Mapping[str, Any]]


class Shelves:
    """A shelf's boxes are its embeddings; of a shelf with a cracked box nothing can be derived."""

    spec = CollectionSpec()
    embedder = None
    reads = ("name", "text", "stock")

    def subject(self, key: tuple[str, ...]) -> str | None:
        return None if key[0] == "other" else key[0]

    def read(self, *_: object) -> Mapping[str, Sequence[Item]]:
        raise AssertionError("what is judged was read before")

    def derive(self, subject: str, items: Sequence[Item]) -> Mapping[str, Derived]:
        found = {}
        for item in items:
            stock = int(item["stock"]["N"])
            if stock < 0:
                raise ValueError(f"{subject}: cracked")
            vector = [float(stock)] if stock != 3 else None
            found[item["name"]["S"]] = Derived({"stock": stock}, item["text"].get("S"), vector)
        return found


SOURCE = Shelves()


def box(shelf: str, number: int, name: str, stock: int, text: str | None, ends: str) -> Item:
    said = {"NULL": True} if text is None else {"S": text}
    keys = {"PK": {"S": shelf}, "SK": {"S": str(number)}}
    return {
        **keys,
        "name": {"S": name},
        "text": said,
        "stock": {"N": str(stock)},
        "TimeToLive": {"N": ends},
    }


@dataclass(frozen=True)
class Plain:
    """What is said of an id by one reading, and by which subject."""

    subject: str
    due: Derived


def reading(items: Sequence[Item]) -> dict[str, Plain]:
    """Every id with the first subject that has it."""
    found: dict[str, Plain] = {}
    for shelf in sorted({item["PK"]["S"] for item in items} - {"other"}):
        try:
            derived = SOURCE.derive(shelf, [one for one in items if one["PK"]["S"] == shelf])
        except ValueError:
            continue
        for id_, one in derived.items():
            found.setdefault(id_, Plain(shelf, stamped(shelf, one, None)))
    return found


def carries(due: Derived) -> dict[str, Any]:
    fields = {key: value for key, value in due.fields.items() if value is not None}
    return fields if due.document is None else {**fields, DOCUMENT: brief(due.document)}


def wrong(carried: Mapping[str, Any], due: Derived) -> list[tuple[str, Any, Any]]:
    should = carries(due)
    if due.document is None and DOCUMENT in carried:
        should[DOCUMENT] = carried[DOCUMENT]
    keys = sorted(should.keys() | carried.keys())
    pairs = [(key, should.get(key), carried.get(key)) for key in keys]
    return [one for one in pairs if one[1] != one[2]]


def plainly(items: Sequence[Item], carried: Mapping[str, Mapping[str, Any]]) -> list[Difference]:
    """The same by two whole readings, held one beside the other."""
    lasting, passing = reading(alive(items, "TimeToLive", NOW)), reading(items)
    found = [
        Difference("boxes", id_, None, None, None, missing=True, part_of=(lasting[id_].subject,))
        for id_ in sorted(lasting.keys() - carried.keys())
        if lasting[id_].due.vector is not None
    ]
    for id_ in sorted(carried):
        readings = [one[id_] for one in (lasting, passing) if id_ in one]
        if not readings:
            found.append(Difference("boxes", id_, None, None, None))
        elif all(wrong(carried[id_], one.due) for one in readings):
            first = readings[0]
            found += [
                Difference("boxes", id_, key, should, have, part_of=(first.subject,))
                for key, should, have in wrong(carried[id_], first.due)
            ]
    return found


boxes = st.builds(
    box,
    st.sampled_from(["a", "b", "c", "other"]),
    st.integers(0, 3),
    st.sampled_from(["red", "blue", "green"]),
    st.integers(-1, 3),
    st.sampled_from([None, "", "text", LONG]),
    st.sampled_from([PAST, FUTURE]),
)
tables = st.lists(boxes, max_size=8, unique_by=lambda one: (one["PK"]["S"], one["SK"]["S"]))


@st.composite
def stores(draw: st.DrawFn, items: Sequence[Item]) -> dict[str, dict[str, Any]]:
    """What either reading says, with something amiss here and there."""
    found = {}
    for whole in (reading(alive(items, "TimeToLive", NOW)), reading(items)):
        for id_, one in whole.items():
            if draw(st.booleans()):
                kept = {**carries(one.due), **draw(st.sampled_from(EDITS))}
                found[id_] = {key: value for key, value in kept.items() if value is not None}
    if draw(st.booleans()):
        found["stray"] = {"stock": 1}
    return found


@given(st.data())
def test_a_subject_at_a_time_finds_what_two_whole_readings_find(data: st.DataObject) -> None:
    items = data.draw(tables)
    carried = data.draw(stores(items))
    with SpooledItems() as spooled:
        spooled.extend(items)
        found = judge(Table(spooled, SCHEMA, "TimeToLive", NOW), SOURCE, "boxes", carried)
    assert found == plainly(items, carried)


@given(st.lists(st.lists(boxes, max_size=3)), st.integers(-9, 9))
@example([[{"PK": {"S": "a"}, "v": {"B": b"\0\xff"}, "s": {"BS": [b"", b"1"]}}]], 0)
def test_items_come_back_from_the_disk_as_they_were(pages: list[list[Item]], at: int) -> None:
    whole = [item for page in pages for item in page]
    with SpooledItems() as spooled:
        for page in pages:
            spooled.extend(page)
            assert list(spooled)[: len(page)] == whole[: len(page)]
        assert list(spooled) == whole
        assert len(spooled) == len(whole)
        assert spooled[at:] == whole[at:]
        if -len(whole) <= at < len(whole):
            assert spooled[at] == whole[at]


def test_a_table_of_vectors_is_judged_in_the_memory_of_its_ids() -> None:
    """An item with a vector of 1,536 numbers is 0.4 MB as boto3 gives it: 200 of them are 80."""

    def items() -> Iterator[Item]:
        for number in range(200):
            one = box(f"shelf-{number}", 1, f"box-{number}", 1, None, FUTURE)
            yield {**one, "vector": {"L": [{"N": f"0.{number}{at}"} for at in range(1536)]}}

    with SpooledItems() as spooled:
        tracemalloc.start()
        try:
            spooled.extend(items())
            found = judge(Table(spooled, SCHEMA, "TimeToLive", NOW), SOURCE, "boxes", {})
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert len(found) == 200
    assert peak < 8 << 20
