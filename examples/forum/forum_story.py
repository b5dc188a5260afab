"""A few days of the forum, as `instep demo --example forum` tells them."""

from pathlib import Path
from typing import Any, Final

from instep.cli.filling import read_items
from instep.cli.session import Session
from instep.cli.telling import Telling

Item = dict[str, Any]

_QUERY: Final = "my dough is too cold"
_SHOWN: Final = ("board", "posts", "answered")


def tell(session: Session) -> bool:
    """Tell it on a fresh deployment; whether every embedding is in step at the end."""
    items = {(item["PK"], item["SK"]): item for item in read_items(_beside("items.json"))}
    threads = {pk for pk, _ in items}
    story = Telling(session)
    story.change(f"{len(threads)} threads arrive, with their posts", put=list(items.values()))
    story.search("threads", _QUERY, fields=_SHOWN)
    answer = items["THREAD#1001", "POST#00002"]
    story.change("an answer is accepted: no text is another", put=[answer | {"accepted": True}])
    story.change("a post is added to a thread", put=[ADDED])
    story.change("it is edited", put=[ADDED | {"text": "A heating mat under the bowl, sorry."}])
    story.change("and removed", remove=[ADDED])
    story.change("posts arrive before their thread", put=LATER[1:])
    story.change("then the thread itself", put=LATER[:1])
    gone = [item for (pk, _), item in items.items() if pk == "THREAD#1011"]
    story.change("a thread is removed, and all its posts", remove=gone)
    story.search("threads", _QUERY, {"answered": True}, _SHOWN)
    return story.verify()


def _beside(name: str) -> Path:
    return Path(__file__).with_name(name)


ADDED: Final[Item] = {
    "PK": "THREAD#1001",
    "SK": "POST#00004",
    "author": "lin",
    "at": "2026-03-04T08:00:00Z",
    "text": "A heating pad for seedlings works as well.",
}
LATER: Final[list[Item]] = [
    {
        "PK": "THREAD#1013",
        "SK": "THREAD",
        "title": "Proofing basket sticks",
        "board": "bread",
        "author": "teo",
    },
    {
        "PK": "THREAD#1013",
        "SK": "POST#00001",
        "author": "teo",
        "at": "2026-03-04T09:00:00Z",
        "text": "Half of the dough stays in the basket when I turn it over.",
    },
    {
        "PK": "THREAD#1013",
        "SK": "POST#00002",
        "author": "ines",
        "at": "2026-03-04T09:30:00Z",
        "text": "Dust it with rice flour, wheat turns to glue.",
        "accepted": True,
    },
]
