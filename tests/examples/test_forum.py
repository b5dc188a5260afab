"""examples/forum as its people use it: a thread is found by what its posts say, in whichever order
posts and threads come and go.
"""

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from instep.brief import DOCUMENT
from instep.cli.filling import in_dynamodb_json
from tests.support.example_app import ExampleApp, example_app

Item = dict[str, Any]

THREAD: Item = {
    "PK": "THREAD#7",
    "SK": "THREAD",
    "title": "Which boots?",
    "board": "hiking",
    "author": "ines",
}
USER: Item = {"PK": "USER#ines", "SK": "PROFILE", "author": "ines"}


def post(number: int, text: str, author: str = "bruno", **more: Any) -> Item:
    at = f"2026-04-01T10:{number:02d}:00Z"
    return {
        "PK": "THREAD#7",
        "SK": f"POST#{number:05d}",
        "author": author,
        "at": at,
        "text": text,
    } | more


@pytest.fixture
def forum(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ExampleApp]:
    with example_app("forum", monkeypatch, tmp_path) as app:
        yield app


def threads(forum: ExampleApp) -> dict[str, dict[str, Any]]:
    return forum.pipeline.embeddings("threads")


FIRST, SECOND = post(1, "Leather lasts longest."), post(2, "Mesh dries sooner.", "mara")


def test_a_thread_is_one_embedding_of_all_its_posts(forum: ExampleApp) -> None:
    assert forum.change(put=[THREAD, FIRST, SECOND, USER]) == [
        "Which boots?\n\nLeather lasts longest.\n\nMesh dries sooner."
    ]
    (carried,) = threads(forum).values()
    said = {name: carried[name] for name in ("posts", "answered", "authors", "last_post")}
    assert said == {
        "posts": 2,
        "answered": False,
        "authors": ["bruno", "ines", "mara"],
        "last_post": "2026-04-01T10:02:00Z",
    }
    assert forum.differences() == []


def test_a_post_is_added_edited_and_removed(forum: ExampleApp) -> None:
    whole = "Which boots?\n\nLeather lasts longest."
    forum.change(put=[THREAD, FIRST])
    assert forum.change(put=[SECOND]) == [f"{whole}\n\nMesh dries sooner."]
    assert threads(forum)["THREAD#7"]["posts"] == 2
    edited = SECOND | {"text": "Mesh dries sooner, leather never."}
    assert forum.change(put=[edited]) == [f"{whole}\n\nMesh dries sooner, leather never."]
    assert forum.change(remove=[edited]) == [whole]
    assert threads(forum)["THREAD#7"]["authors"] == ["bruno", "ines"]
    assert forum.differences() == []


def test_what_is_no_text_embeds_nothing(forum: ExampleApp) -> None:
    forum.change(put=[THREAD, FIRST])
    moved, accepted = THREAD | {"board": "shoes"}, FIRST | {"accepted": True}
    assert forum.change(put=[moved, accepted, USER | {"author": "Ines"}]) == []
    carried = threads(forum)["THREAD#7"]
    assert (carried["board"], carried["answered"]) == ("shoes", True)


def test_an_edit_behind_what_is_embedded_is_a_difference_until_it_has_arrived(
    forum: ExampleApp,
) -> None:
    """Only the document tells of it; what is embedded is the same, and so is the metadata."""
    forum.change(put=[THREAD, post(1, "A very long story. " * 500), SECOND])
    edited = SECOND | {"text": "Mesh, after all."}
    written = forum.pipeline.put(in_dynamodb_json(edited))
    (found,) = forum.differences()
    assert (found.field, found.id) == (DOCUMENT, "THREAD#7")
    forum.pipeline.ingest(written)
    assert forum.pipeline.run().succeeded
    assert forum.differences() == []


def test_a_removed_thread_is_gone_though_posts_of_it_are_left(forum: ExampleApp) -> None:
    forum.change(put=[THREAD, FIRST, SECOND])
    assert forum.change(remove=[THREAD]) == []
    assert threads(forum) == {}
    assert forum.change(remove=[FIRST, SECOND]) == []
    assert forum.differences() == []


@pytest.mark.invariant(4)
@pytest.mark.parametrize(
    "order",
    list(permutations([THREAD, FIRST, SECOND])),
    ids=lambda order: ",".join(i["SK"] for i in order),
)
def test_posts_may_arrive_before_their_thread(forum: ExampleApp, order: tuple[Item, ...]) -> None:
    for item in order:
        forum.change(put=[item])
        assert bool(threads(forum)) == (THREAD in order[: order.index(item) + 1])
    assert threads(forum)["THREAD#7"]["posts"] == 2
    assert forum.differences() == []
    assert forum.pipeline.rejected() == []


def test_a_thread_without_a_title_harms_itself_alone(forum: ExampleApp) -> None:
    broken = {"PK": "THREAD#8", "SK": "THREAD", "board": "hiking", "author": "teo"}
    forum.change(put=[THREAD, FIRST, broken])
    assert set(threads(forum)) == {"THREAD#7"}
    (letter,) = forum.pipeline.rejected()
    assert "title" in letter["reason"]


def test_a_thread_is_found_by_what_a_late_post_says(forum: ExampleApp) -> None:
    forum.change(put=forum.items)
    question = "how do I repair a bicycle wheel"
    fig = next(item for item in forum.items if item.get("title") == "Moving a fig tree")
    assert forum.search("threads", question, count=1) != [fig["PK"]]
    late = post(3, "Off topic: repair a bicycle wheel with a spoke key, and true the bicycle rim.")
    forum.change(put=[late | {"PK": fig["PK"]}])
    assert forum.search("threads", question, count=1) == [fig["PK"]]
    dough = "THREAD#1001"
    assert forum.search("threads", "my dough is too cold", count=1) == [dough]
    assert forum.search("threads", "dough", {"board": "garden"}, count=12) != []
    assert dough not in forum.search("threads", "dough", {"board": "garden"}, count=12)


def test_the_domain_takes_a_hundred_lines_at_most(forum: ExampleApp) -> None:
    assert len((forum.folder / "forum.py").read_text().splitlines()) <= 100
