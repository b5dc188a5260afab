"""A text is embedded when it changes and never else, whatever is edited beside it."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from instep.aws.keys import KeySchema
from instep.chroma.collection import close_client, create_collection, get_collection, open_client
from instep.clock import utc_now
from instep.domain import CollectionSpec, Outcome, Work
from instep.metrics import NoMetrics
from instep.source import Derived
from instep.updating import update
from tests.support.memory import InMemory

NAME = "articles"
SCHEMA = KeySchema()
BATCH = 64


class Died(BaseException):
    """The process is gone: no handler survives that."""


@dataclass
class Counting:
    """An embedder that counts what it is asked; it dies at its `dies_at`-th call, if any."""

    name: str = "counting:1"
    batch: int = BATCH
    asked: list[str] = field(default_factory=list)
    calls: int = 0
    dies_at: int | None = None

    def embed(self, texts: Sequence[str]) -> Sequence[Any]:
        self.calls += 1
        if self.calls == self.dies_at:
            raise Died
        self.asked += texts
        return [[float(len(text)), float(sum(map(ord, text))), 1.0] for text in texts]


@dataclass
class Articles:
    """A table in memory, of one item an article."""

    embedder: Counting = field(default_factory=Counting)
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    spec: CollectionSpec = field(default=CollectionSpec("cosine"))
    reads: Sequence[str] = ()

    def subject(self, key: tuple[str, ...]) -> str:
        return key[0]

    def read(self, subjects: Iterable[str], _: object) -> Mapping[str, Sequence[Any]]:
        return {one: [self.items[one]] for one in subjects if one in self.items}

    def derive(self, subject: str, items: Sequence[Any]) -> Mapping[str, Derived]:
        (item,) = items
        text = item["text"]["S"]
        return {subject: Derived({"views": int(item["views"]["N"])}, text, text=text)}

    def write(self, number: int, text: str, views: int = 0) -> None:
        self.items[f"a{number:05}"] = {"text": {"S": text}, "views": {"N": str(views)}}


@dataclass
class Desk:
    """Articles, and the collection that follows them."""

    articles: Articles
    client: Any
    objects: InMemory
    batches: int = 0

    def change(self, numbers: Iterable[int]) -> Outcome:
        """Bring these articles in step, as ApplyUpdates does with a batch."""
        self.batches += 1
        return self.again(numbers)

    def again(self, numbers: Iterable[int]) -> Outcome:
        """Do the same batch, as another try of the state does."""
        keys = [SCHEMA.written((f"a{number:05}", "-")) for number in numbers]
        return update(
            cast("Any", self.articles),
            SCHEMA,
            None,
            Work(
                collection=NAME,
                signals=[{"dynamodb": {"Keys": key}} for key in keys],
                client=self.client,
                renewed=lambda: self.client,
                dynamodb=cast("Any", None),
                table="articles",
                objects=self.objects,
                delta_buckets=(),
                scratch=Path(),
                parked=f"batches/{self.batches}",
                until=utc_now() + timedelta(minutes=10),
                log=logging.getLogger("desk"),
                metrics=NoMetrics(),
                clock=utc_now,
            ),
        )

    def carried(self) -> dict[str, tuple[str, int]]:
        got: Any = get_collection(self.client, NAME).get()
        rows = zip(got["ids"], got["documents"], got["metadatas"], strict=True)
        return {id_: (document, metadata["views"]) for id_, document, metadata in rows}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    client = open_client(tmp_path)
    create_collection(client, NAME)
    yield Desk(Articles(), client, InMemory(cast("Any", utc_now)))
    close_client(client)


def test_ten_thousand_edits_beside_the_text_ask_for_none_and_a_hundred_of_it_for_a_hundred(
    desk: Desk,
) -> None:
    articles, embedder = desk.articles, desk.articles.embedder
    for number in range(1000):
        articles.write(number, f"article {number}")
    desk.change(range(1000))
    assert len(embedder.asked) == 1000
    for views in range(1, 11):
        for number in range(1000):
            articles.write(number, f"article {number}", views)
        assert desk.change(range(1000)).note["updated"] == 1000
    assert len(embedder.asked) == 1000
    for number in range(100):
        articles.write(number, f"article {number}, revised", 10)
    desk.change(range(1000))
    assert sorted(embedder.asked[1000:]) == sorted(f"article {n}, revised" for n in range(100))
    assert desk.carried()["a00007"] == ("article 7, revised", 10)
    assert desk.carried()["a00700"] == ("article 700", 10)


@pytest.mark.parametrize("dies_at", [1, 2, 5])
def test_a_death_between_embedding_and_publishing_embeds_one_batch_twice_at_most(
    desk: Desk, dies_at: int
) -> None:
    articles, embedder = desk.articles, desk.articles.embedder
    for number in range(300):
        articles.write(number, f"article {number}")
    embedder.dies_at = dies_at
    with pytest.raises(Died):
        desk.change(range(300))
    assert desk.carried() == {}
    desk.again(range(300))
    assert len(embedder.asked) - len(set(embedder.asked)) <= BATCH
    assert len(set(embedder.asked)) == 300
    assert len(desk.carried()) == 300


def test_the_same_text_of_two_articles_is_asked_for_once(desk: Desk) -> None:
    for number in range(50):
        desk.articles.write(number, "the same")
    desk.change(range(50))
    assert desk.articles.embedder.asked == ["the same"]
    assert len(desk.carried()) == 50
