"""The demo's story: receipts arrive in the morning, a person works on them in the afternoon."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from instep.cli.filling import delete_items, put_items
from instep.cli.hits import hits_table
from instep.cli.narrator import Watcher, chapter, published, show_versions, verified, working
from instep.cli.output import answers
from instep.cli.searching import nearest
from instep.cli.session import Session
from instep.cli.snapshots import opened
from instep.cli.standing import read_standing
from instep.cli.status import dead_letters
from receipt_demo.afternoon import (
    POISON,
    RENAMED_FROM,
    RENAMED_TO,
    Afternoon,
    plan,
    remains_of,
)
from receipt_demo.arrival import Arrival
from receipt_demo.receipts import Receipt, generate

_QUERY: Final = "dairy"
_VALIDATED_PRODUCTS: Final[Mapping[str, Any]] = {
    "valid_labels_array": {"$contains": "PRODUCT_NAME"}
}
_SHOWN: Final = ("merchant_name", "label_status", "valid_labels_array", "invalid_labels_array")


def tell(session: Session) -> bool:
    """Tell the story on a fresh deployment; whether every embedding is in step at the end."""
    return Story(session).tell()


class Story:
    """Told once, on a fresh deployment."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._receipts = generate()
        self._arrival = Arrival(session)
        self._watcher = Watcher(session)

    def tell(self) -> bool:
        """Tell all of it; whether every embedding is in step at the end."""
        self._morning()
        heads = self._versions({})
        self._search("before")
        self._afternoon(plan(self._receipts))
        self._versions(heads)
        self._search("after")
        self._filter()
        self._poison()
        return verified(self._session)

    def _morning(self) -> None:
        with chapter(f"morning: {len(self._receipts)} receipts arrive, with their embeddings"):
            with working("embedding") as progress:
                said = self._arrival.bring(self._receipts, progress)
            answers.print(said)
        with chapter("the stream and EventBridge start the workflow by themselves"):
            self._watcher.until_in_step()

    def _versions(self, since: Mapping[str, str]) -> Mapping[str, str]:
        with chapter("versions: what a run moved, beside the snapshot's size"):
            versions = published(self._session, since)
            show_versions(versions)
        return {one.collection: one.version for one in versions}

    def _search(self, when: str) -> None:
        with (
            chapter(f"search words for '{_QUERY}', {when} the afternoon"),
            opened(self._session, "words") as snapshot,
        ):
            answers.print(hits_table(nearest(snapshot, _QUERY, 6), _SHOWN))

    def _filter(self) -> None:
        with (
            chapter(f"the same search, only where {dict(_VALIDATED_PRODUCTS)}"),
            opened(self._session, "words") as snapshot,
        ):
            hits = nearest(snapshot, _QUERY, 6, _VALIDATED_PRODUCTS)
            answers.print(hits_table(hits, _SHOWN))
            found = snapshot.collection.get(where=dict(_VALIDATED_PRODUCTS), include=[])
            answers.print(f"{len(found['ids']):,} words carry a validated PRODUCT_NAME")

    def _afternoon(self, afternoon: Afternoon) -> None:
        with chapter("afternoon: a person works on the table"), working("editing") as progress:
            progress("editing")
            self._edit(afternoon)
        with chapter("the second run"):
            self._watcher.until_in_step()

    def _edit(self, afternoon: Afternoon) -> None:
        put = [*afternoon.validated, *afternoon.invalidated, *afternoon.renamed]
        table = self._session.deployment.dynamodb_table_name
        put_items(self._session.dynamodb, table, put)
        answers.print(
            f"{len(afternoon.validated)} labels validated, {len(afternoon.invalidated)} rejected"
        )
        answers.print(f"{RENAMED_FROM} renamed to {RENAMED_TO} ({len(afternoon.renamed)} receipts)")
        self._delete([afternoon.deleted])
        answers.print(f"one receipt of {afternoon.deleted.merchant.name} deleted")
        self._delete([afternoon.recreated])
        self._arrival.bring([afternoon.recreated])
        answers.print(f"one of {afternoon.recreated.merchant.name} deleted and recreated")
        self._session.sqs.send_message(
            QueueUrl=self._session.deployment.inbox_queue_url, MessageBody=POISON
        )
        answers.print("one message sent that nobody can read")

    def _delete(self, receipts: Sequence[Receipt]) -> None:
        for receipt in receipts:
            gone = remains_of(receipt, self._arrival.runs)
            delete_items(self._session.dynamodb, self._session.deployment.dynamodb_table_name, gone)

    def _poison(self) -> None:
        with chapter("the message nobody could read lies in the DLQ, with its reason"):
            answers.print(dead_letters(read_standing(self._session, self._session.collections)))
