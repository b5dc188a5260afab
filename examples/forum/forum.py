"""Threads of a forum, one embedding each: of the thread's own item and of its posts' together.

    PK = THREAD#<id>   SK = THREAD      title, author, board
                       SK = POST#<n>    text, author, at, accepted

Whichever of them changes, the whole thread is read and derived again. What changes its text embeds
one text; a thread that moves to another board, or an answer that is accepted, embeds none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from instep.aws.expiry import TIME_TO_LIVE
from instep.aws.table import Range, TableReader
from instep.derived import DerivedDomain
from instep.domain import CollectionSpec, Item
from instep.embedding.embedder import Embedder
from instep.embedding.named import embedder_of
from instep.keys import Key
from instep.source import Derived

_THREAD: Final = "THREAD#"  # how the partition key begins
_OWN: Final = "THREAD"  # the sort key of the thread's own item
_ITEMS: Final = ("POST#", _OWN)  # from the first post to the thread's own item, by sort key
_EMBEDDED: Final = 8_000  # characters; what follows is found by $contains alone


@dataclass(frozen=True)
class Threads:
    """The collection `threads`: implements `instep.source.Source`."""

    embedder: Embedder
    spec: CollectionSpec = field(default=CollectionSpec("cosine", embedder="local"))
    reads: Sequence[str] = ("title", "author", "board", "text", "at", "accepted")

    def subject(self, key: Key) -> str | None:
        """Name the thread that an item belongs to: its partition."""
        return key[0] if key[0].startswith(_THREAD) else None

    def read(self, subjects: Iterable[str], table: TableReader) -> Mapping[str, Sequence[Item]]:
        """Read each thread's items in one range, several threads side by side."""
        names, threads = (*table.schema.names, TIME_TO_LIVE, *self.reads), list(subjects)

        def items_of(thread: str) -> list[Item]:
            return list(table.all_of(Range(thread, *_ITEMS), names))

        found = zip(threads, table.side_by_side(items_of, threads), strict=True)
        return {thread: items for thread, items in found if items}

    def derive(self, subject: str, items: Sequence[Item]) -> Mapping[str, Derived]:
        """Return the thread's embedding; none while posts are there without their thread."""
        thread = next((item for item in items if item["SK"]["S"] == _OWN), None)
        if thread is None:
            return {}
        posts = [item for item in items if item is not thread]
        document = "\n\n".join([thread["title"]["S"], *(post["text"]["S"] for post in posts)])
        fields = {
            "title": thread["title"]["S"],
            "board": thread["board"]["S"],
            "posts": len(posts),
            "authors": sorted({item["author"]["S"] for item in items}),
            "answered": any(post.get("accepted", {}).get("BOOL", False) for post in posts),
            "last_post": max((post["at"]["S"] for post in posts), default=None),
        }
        return {subject: Derived(fields, document, text=document[:_EMBEDDED])}


_OF_THREADS: Final = {
    "eventName": ["INSERT", "MODIFY", "REMOVE"],
    "dynamodb": {"Keys": {"PK": {"S": [{"prefix": _THREAD}]}}},
}

DOMAIN: Final = DerivedDomain(
    {"threads": Threads(embedder_of("local"))}, stream_filters=[_OF_THREADS]
)
