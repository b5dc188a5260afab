"""A story of a table: items come and go, and after each change it shows what followed of it.

    def tell(session: Session) -> bool:
        story = Telling(session)
        story.change("products arrive", put=read_items(Path(__file__).with_name("items.json")))
        story.search("products", "something warm", {"price": {"$lt": 20}}, ["price", "stock"])
        return story.verify()

An app's cdk.json names such a function, `"demo": "my_module:tell"`, and `instep demo` calls it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.markup import escape

from instep.cli.filling import delete_items, in_dynamodb_json, put_items
from instep.cli.history import counts_text
from instep.cli.hits import hits_table
from instep.cli.narrator import Watcher, chapter, published, shipped, verified
from instep.cli.output import answers, bytes_text
from instep.cli.searching import nearest
from instep.cli.session import Session
from instep.cli.snapshots import opened

_HITS: Final = 5


class Telling:
    """Told on a fresh deployment. Items are JSON objects as people write them, whole."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._watcher = Watcher(session)
        self._heads: dict[str, str] = {}

    def change(
        self,
        title: str,
        put: Sequence[Mapping[str, Any]] = (),
        remove: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Put items and remove others, wait until the snapshots are in step, and show what that
        took: what each version changed and brought to S3, and how many texts were embedded.
        """
        table = self._session.deployment.dynamodb_table_name
        with chapter(title):
            put_items(self._session.dynamodb, table, map(in_dynamodb_json, put))
            delete_items(self._session.dynamodb, table, map(in_dynamodb_json, remove))
            answers.print(f"{_counted(put, 'item')} written, {_counted(remove, 'item')} removed")
            self._watcher.until_in_step()
            self._show_versions()

    def search(
        self,
        collection: str,
        text: str,
        where: Mapping[str, Any] | None = None,
        fields: Sequence[str] = (),
    ) -> None:
        """Show the nearest to a text, of those that `where` lets through, with some fields."""
        with (
            chapter(f"search {collection} for '{escape(text)}'"),
            opened(self._session, collection) as snapshot,
        ):
            if where:
                answers.print(f"where {escape(json.dumps(where))}", soft_wrap=True)
            answers.print(hits_table(nearest(snapshot, text, _HITS, where), fields))

    def verify(self) -> bool:
        """Compare every embedding with the table; whether all are in step."""
        return verified(self._session)

    def _show_versions(self) -> None:
        embedded, versions = 0, published(self._session, self._heads)
        if not versions:
            answers.print("no version was made: nothing is another")
        for one in versions:
            brought, whole = map(bytes_text, shipped(one))
            answers.print(
                f"[green]{one.collection}[/]: {counts_text(one.note) or 'folded'}; "
                f"{one.facts.embeddings:,} now  [dim]{brought} sent, of {whole}[/]"
            )
            embedded += int(one.note.get("embedded", 0))
            self._heads[one.collection] = one.version
        answers.print(f"texts embedded: [bold]{embedded:,}[/]")


def _counted(some: Sequence[object], what: str) -> str:
    return f"{len(some):,} {what}{'' if len(some) == 1 else 's'}"
