"""A derived domain in any history: what is signalled, in whatever order and however often, ends as
the table says; an id that two items share belongs to the first of them, and it is nobody's loss for
good.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instep.aws.keys import KeySchema
from instep.chroma.collection import close_client, create_collection, get_collection, open_client
from instep.clock import utc_now
from instep.domain import CollectionSpec, Outcome, Work
from instep.metrics import NoMetrics
from instep.source import Derived
from instep.updating import update

SCHEMA = KeySchema()
KEYS, SLUGS = "abcd", ("red", "blue")
Item: TypeAlias = tuple[str, int]  # its slug, which is the embedding's id, and its stock


@dataclass
class Shop:
    """A table in memory; -1 in stock is an item that cannot be derived."""

    items: dict[str, Item] = field(default_factory=dict)
    embedder: None = None
    spec: CollectionSpec = field(default=CollectionSpec())
    reads: Sequence[str] = ()

    def subject(self, key: tuple[str, ...]) -> str:
        return key[0]

    def read(self, subjects: Iterable[str], _: object) -> Mapping[str, Sequence[Any]]:
        return {one: [{"item": self.items[one]}] for one in subjects if one in self.items}

    def derive(self, _: str, items: Sequence[Any]) -> Mapping[str, Derived]:
        ((slug, stock),) = (one["item"] for one in items)
        if stock < 0:
            raise ValueError("nothing can be less than none")
        return {slug: Derived({"stock": stock}, None, [float(len(slug)), float(stock % 2)])}

    def expected(self) -> dict[str, int]:
        """Written apart: of the items with a slug the first by its key has it."""
        found: dict[str, int] = {}
        for _, (slug, stock) in sorted(self.items.items()):
            if stock >= 0:
                found.setdefault(slug, stock)
        return found


class Lab:
    """A collection that lives as long as the test file."""

    def __init__(self, folder: Path) -> None:
        self.client = open_client(folder)
        self.collection = create_collection(self.client, "shop")

    def hear(self, shop: Shop, keys: Iterable[str], recheck: Sequence[str] = ()) -> Outcome:
        signals = [{"dynamodb": {"Keys": SCHEMA.written((key, "-"))}} for key in keys]
        nothing: Any = None
        work = Work(
            collection="shop",
            signals=signals,
            client=self.client,
            renewed=lambda: self.client,
            dynamodb=nothing,
            table="shop",
            objects=nothing,
            delta_buckets=(),
            scratch=Path(),
            parked="",
            until=utc_now() + timedelta(minutes=10),
            log=logging.getLogger("lab"),
            metrics=NoMetrics(),
            clock=utc_now,
            recheck=recheck,
        )
        return update(cast("Any", shop), SCHEMA, None, work)

    def carried(self) -> dict[str, Any]:
        got: Any = get_collection(self.client, "shop").get()
        rows = zip(got["ids"], got["metadatas"], strict=True)
        return {id_: metadata["stock"] for id_, metadata in rows}

    def empty(self) -> None:
        if ids := list(self.carried()):
            self.collection.delete(ids=ids)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab(tmp_path_factory.mktemp("shop"))
    yield made
    close_client(made.client)


ITEMS = st.tuples(st.sampled_from(SLUGS), st.integers(-1, 3))
ACTS = st.tuples(st.sampled_from(KEYS), st.none() | ITEMS)
History: TypeAlias = Sequence[Sequence[tuple[str, Item | None]]]
HISTORIES = st.lists(st.lists(ACTS, max_size=4), min_size=1, max_size=5)


def lived(lab: Lab, history: History, data: st.DataObject) -> tuple[Shop, Outcome]:
    """Live a history, hearing of some of it, late and twice; then hear of all of it once more."""
    shop, waiting = Shop(), list[str]()
    lab.empty()
    for acts in history:
        for key, item in acts:
            if item is None:
                shop.items.pop(key, None)
            else:
                shop.items[key] = item
            waiting.append(key)
        lab.hear(shop, data.draw(st.lists(st.sampled_from(waiting), max_size=6)) if waiting else [])
    return shop, lab.hear(shop, data.draw(st.permutations(waiting)))


@pytest.mark.invariant(4)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORIES, data=st.data())
def test_every_history_ends_as_the_table_says(
    lab: Lab, history: History, data: st.DataObject
) -> None:
    """Here each item has an id of its own; one that cannot be derived leaves what was there."""
    own = [[(key, item and (key, item[1])) for key, item in acts] for acts in history]
    shop, last = lived(lab, own, data)
    carried = lab.carried()
    wrong = {key for key, (_, stock) in shop.items.items() if stock < 0}
    assert {id_: stock for id_, stock in carried.items() if id_ not in wrong} == shop.expected()
    assert len({one.reason for one in last.failures}) <= len(wrong)
    assert bool(last.failures) == bool(wrong)


@pytest.mark.invariant(4)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORIES, data=st.data())
def test_ids_that_items_share_end_as_the_table_says_after_a_sync(
    lab: Lab, history: History, data: st.DataObject
) -> None:
    shop, _ = lived(lab, history, data)
    lab.hear(shop, sorted(shop.items), recheck=list(lab.carried()))  # what a sync does
    wrong = {slug for slug, stock in shop.items.values() if stock < 0}
    kept = {id_: stock for id_, stock in lab.carried().items() if id_ not in wrong}
    assert kept == {id_: one for id_, one in shop.expected().items() if id_ not in wrong}


@pytest.mark.invariant(8)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations("ab"), together=st.booleans())
def test_of_two_items_with_one_id_the_first_has_it_and_the_other_is_told(
    lab: Lab, order: Sequence[str], together: bool
) -> None:
    shop = Shop({"a": ("red", 1), "b": ("red", 2)})
    lab.empty()
    batches = [order] if together else [[key] for key in order]
    failures = [one for batch in batches for one in lab.hear(shop, batch).failures]
    assert lab.carried() == {"red": 1}
    if together or order[-1] == "b":
        (failure,) = failures
        assert failure.final
        assert "which comes first and keeps it" in failure.reason
    del shop.items["a"]
    lab.hear(shop, ["a"])
    lab.hear(shop, ["b"])
    assert lab.carried() == {"red": 2}
