"""What an assistant is told: bounded, of one version, and of the head of a few seconds ago."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from instep.mcp.library import MOST_HITS, REFRESH_SECONDS, Library, QuestionRefused
from instep.snapshot.acts.tagging import tag
from tests.support.faults import refusing
from tests.support.snapshots import NAME, World, a_world, adds, deletes, names, updates, vector


class Clock:
    """Stands until it is told otherwise."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        made.write(adds(names(20), colour="blue"))
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def library(world: World, clock: Clock) -> Iterator[Library]:
    def embed(texts: list[str]) -> Any:
        return [vector(text) for text in texts]

    with Library(world.store.objects, [NAME], embed, clock=clock) as opened:
        yield opened


def test_a_text_finds_what_is_near_to_it_and_a_filter_what_passes(library: Library) -> None:
    near = library.search(NAME, text="w00019", limit=2)
    assert near["hits"][0] == {
        "id": "w00019",
        "distance": 0.0,
        "document": "text of w00019",
        "metadata": {"place": "w00019", "colour": "blue"},
    }
    assert len(near["hits"]) == 2
    assert (
        library.search(NAME, text="w00019", where={"place": "w00003"})["hits"][0]["id"] == "w00003"
    )
    passing = library.search(NAME, where={"place": {"$in": ["w00001", "w00002"]}})
    assert [hit["id"] for hit in passing["hits"]] == ["w00001", "w00002"]
    assert "distance" not in passing["hits"][0]
    assert [hit["id"] for hit in library.search(NAME, contains="of w00011")["hits"]] == ["w00011"]


def test_ids_and_counts(library: Library) -> None:
    told = library.get(NAME, ["w00004", "nobody", "w00004"])
    assert [one["id"] for one in told["found"]] == ["w00004"]
    assert told["missing"] == ["nobody"]
    assert library.count(NAME)["count"] == 20
    assert library.count(NAME, where={"place": "w00001"})["count"] == 1


def test_every_answer_names_the_version_it_is_of(library: Library, world: World) -> None:
    for answer in (
        library.search(NAME, text="x"),
        library.get(NAME, ["w00001"]),
        library.count(NAME),
        library.versions(NAME),
    ):
        assert (answer["collection"], answer["version"]) == (NAME, world.version())


def test_the_head_is_looked_for_once_in_a_few_seconds(
    library: Library, world: World, clock: Clock
) -> None:
    first = world.version()
    world.write(deletes(["w00003"]))
    clock.now += REFRESH_SECONDS - 0.1
    assert library.count(NAME)["version"] == first
    clock.now += 0.1
    assert library.count(NAME) == {"collection": NAME, "version": world.version(), "count": 19}


def test_versions_are_those_that_were_the_head_newest_first(library: Library, world: World) -> None:
    first = world.version()
    world.write(updates(names(3), colour="red"))
    world.stage(updates(names(3), colour="green"))  # nobody's head
    told = library.versions(NAME)["versions"]
    assert [one["version"] for one in told] == [world.version(), first]
    assert [one["embeddings"] for one in told] == [20, 20]
    assert [one["version"] for one in library.versions(NAME, limit=1)["versions"]] == [
        world.version()
    ]


def test_while_the_head_cannot_be_had_answers_go_on_and_say_so(
    library: Library, world: World, clock: Clock
) -> None:
    first = world.version()
    world.write(deletes(["w00003"]))
    clock.now += REFRESH_SECONDS
    reader = library._shelves[NAME].versions._store.objects.client  # type: ignore[attr-defined]
    with refusing(reader, "GetObject", 503, times=4):
        told = library.count(NAME)
    assert (told["version"], told["count"]) == (first, 20)
    assert "head could not be had" in told["stale"]
    clock.now += REFRESH_SECONDS
    assert "stale" not in library.count(NAME)


def test_answers_are_bounded_whatever_is_carried(world: World, clock: Clock) -> None:
    def long(collection: Any) -> None:
        collection.update(
            ids=names(20),
            documents=["x" * 1_000_000] * 20,
            embeddings=[vector(id_) for id_ in names(20)],
            metadatas=[{f"k{n}": "y" * 3_000 for n in range(100)}] * 20,
        )

    world.write(long)
    with Library(world.store.objects, [NAME], clock=clock) as library:
        told = library.get(NAME, names(20))
        assert len(str(told)) < 200_000
        assert [one["id"] for one in told["found"]] == names(20)
        assert told["found"][0]["document"].endswith("(1,000,000 characters in all)")
        assert told["found"][-1] == {"id": "w00019", "left_out": "ask for it by its id"}


@pytest.mark.parametrize("limit", [0, -1, MOST_HITS + 1])
def test_a_limit_has_bounds(library: Library, limit: int) -> None:
    with pytest.raises(QuestionRefused, match=r"from 1 to 50"):
        library.search(NAME, text="x", limit=limit)
    with pytest.raises(QuestionRefused, match=r"from 1 to 50"):
        library.get(NAME, [])
    with pytest.raises(QuestionRefused, match=r"from 1 to 20"):
        library.versions(NAME, limit=limit)


def test_what_cannot_be_asked_is_refused_with_its_reason(library: Library, world: World) -> None:
    with pytest.raises(QuestionRefused, match=r"no collection 'nobodys' here, but \['words'\]"):
        library.count("nobodys")
    with pytest.raises(QuestionRefused, match="text, where or contains"):
        library.search(NAME)
    with pytest.raises(QuestionRefused, match=r"\$nonsense"):
        library.search(NAME, where={"place": {"$nonsense": 1}})
    with (
        Library(world.store.objects, [NAME]) as without,
        pytest.raises(QuestionRefused, match="nothing says which model"),
    ):
        without.search(NAME, text="dairy")


def test_a_library_of_a_version_does_not_follow_the_head(world: World) -> None:
    tag(world.store, str(world.version()), "before", "me@here")
    with Library(world.store.objects, [NAME], at="before") as pinned:
        world.write(deletes(names(3)))
        assert pinned.count(NAME)["count"] == 20
