"""Current truth of what was touched: strongly consistent, in parallel, bounded by what was touched.

The rule is design.md's Convergence. Items are read by key and labels by their word's prefix, never
a receipt's whole partition: thousands of LETTER items lie between its words (docs/domain.md).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from instep.aws_errors import storage
from instep.clock import Clock, utc_now
from instep.errors import StorageUnavailable
from receipt_chroma.compaction.attributes import TTL_ATTRIBUTE, Item, is_alive
from receipt_chroma.compaction.identity import EmbeddingId, ItemKey, ReceiptId
from receipt_chroma.compaction.labels import Label
from receipt_chroma.compaction.metadata import merchant_fields

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from instep.difference import Fields

_KEYS_A_CALL: Final = 100
_ROUNDS_WITHOUT_PROGRESS: Final = 3
_THREADS: Final = 8
_KEY: Final = ("PK", "SK", TTL_ATTRIBUTE)
_MERCHANT: Final = (
    *_KEY,
    "place_id",
    "merchant_name",
    "canonical_merchant_name",
    "merchant_category",
    "address",
    "formatted_address",
    "phone_number",
)
_LABEL: Final = (*_KEY, "validation_status", "label_proposed_by", "timestamp_added")
_RUN: Final = (
    *_KEY,
    *(
        f"{collection}_{name}"
        for collection in ("lines", "words")
        for name in ("state", "delta_prefix", "announced_at", "merged_vectors")
    ),
)

A = TypeVar("A")
B = TypeVar("B")


class ReceiptTable:
    """Reads the entity table; `read_units` is what that consumed so far.

    A throttle or outage, or keys that stay unprocessed, is StorageUnavailable.
    """

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock = utc_now) -> None:
        self._client, self._table, self._clock = client, table, clock
        self._lock = Lock()
        self.read_units = 0.0

    def existing(self, keys: Iterable[ItemKey]) -> set[ItemKey]:
        """Return those keys that have an item."""
        return set(self._items(keys, _KEY))

    def merchants(self, receipts: Iterable[ReceiptId]) -> dict[ReceiptId, "Fields"]:
        """Return the merchant fields of each receipt, from its place or else its metadata."""
        wanted = list(receipts)
        keys = [one.key(suffix) for one in wanted for suffix in ("#METADATA", "#PLACE")]
        items = self._items(keys, _MERCHANT)
        return {
            one: merchant_fields(items.get(one.key("#METADATA")), items.get(one.key("#PLACE")))
            for one in wanted
        }

    def labels(self, words: Iterable[EmbeddingId]) -> dict[EmbeddingId, list[Label]]:
        """Return all labels of each word, an empty list for a word without any."""
        wanted = list(dict.fromkeys(words))
        return dict(zip(wanted, self._parallel(self._labels_of, wanted), strict=True))

    def runs(self, receipts: Iterable[ReceiptId]) -> dict[ReceiptId, list[Item]]:
        """Return the items of all runs of each receipt."""
        wanted = list(dict.fromkeys(receipts))
        return dict(zip(wanted, self._parallel(self._runs_of, wanted), strict=True))

    def _runs_of(self, receipt: ReceiptId) -> list[Item]:
        names, projection = _projected(_RUN)
        start = receipt.key("#COMPACTION_RUN#")
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="PK = :pk AND begins_with(SK, :runs)",
            ExpressionAttributeValues={":pk": {"S": start.pk}, ":runs": {"S": start.sk}},
            ExpressionAttributeNames=names,
            ProjectionExpression=projection,
            ConsistentRead=True,
            ReturnConsumedCapacity="TOTAL",
        )
        now = self._clock()
        runs: list[Item] = []
        with storage(f"Query {self._table}"):
            for page in pages:
                self._consumed([page.get("ConsumedCapacity", {})])
                runs.extend(item for item in page["Items"] if is_alive(item, now))
        return runs

    def _labels_of(self, word: EmbeddingId) -> list[Label]:
        names, projection = _projected(_LABEL)
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="PK = :pk AND begins_with(SK, :labels)",
            ExpressionAttributeValues={
                ":pk": {"S": word.key.pk},
                ":labels": {"S": f"{word.key.sk}#LABEL#"},
            },
            ExpressionAttributeNames=names,
            ProjectionExpression=projection,
            ConsistentRead=True,
            ReturnConsumedCapacity="TOTAL",
        )
        now = self._clock()
        labels: list[Label] = []
        with storage(f"Query {self._table}"):
            for page in pages:
                self._consumed([page.get("ConsumedCapacity", {})])
                labels.extend(Label.of(item) for item in page["Items"] if is_alive(item, now))
        return labels

    def _items(self, keys: Iterable[ItemKey], attributes: Sequence[str]) -> dict[ItemKey, Item]:
        unique = list(dict.fromkeys(keys))
        chunks = [unique[at : at + _KEYS_A_CALL] for at in range(0, len(unique), _KEYS_A_CALL)]
        now = self._clock()
        return {
            ItemKey(item["PK"]["S"], item["SK"]["S"]): item
            for items in self._parallel(lambda chunk: self._chunk(chunk, attributes), chunks)
            for item in items
            if is_alive(item, now)
        }

    def _chunk(self, keys: Sequence[ItemKey], attributes: Sequence[str]) -> list[Item]:
        """Read up to 100 keys; what the table hands back unprocessed is asked for again at once."""
        names, projection = _projected(attributes)
        request: Any = {
            "Keys": [{"PK": {"S": key.pk}, "SK": {"S": key.sk}} for key in keys],
            "ConsistentRead": True,
            "ProjectionExpression": projection,
            "ExpressionAttributeNames": names,
        }
        items: list[Item] = []
        idle = 0
        while request["Keys"]:
            with storage(f"BatchGetItem {self._table}"):
                answer = self._client.batch_get_item(
                    RequestItems={self._table: request}, ReturnConsumedCapacity="TOTAL"
                )
            self._consumed(answer.get("ConsumedCapacity", ()))
            items.extend(answer["Responses"].get(self._table, ()))
            left = answer["UnprocessedKeys"].get(self._table, {"Keys": []})["Keys"]
            idle = 0 if len(left) < len(request["Keys"]) else idle + 1
            if idle == _ROUNDS_WITHOUT_PROGRESS:
                raise StorageUnavailable(
                    f"BatchGetItem {self._table}: {len(left)} keys stay unprocessed; the table is "
                    f"throttled, raise its read capacity if this repeats"
                )
            request = {**request, "Keys": left}
        return items

    def _parallel(self, read: Callable[[A], B], wanted: Sequence[A]) -> Iterator[B]:
        if len(wanted) < 2:
            yield from map(read, wanted)
            return
        with ThreadPoolExecutor(min(_THREADS, len(wanted))) as threads:
            yield from threads.map(read, wanted)

    def _consumed(self, reports: Iterable[Mapping[str, Any]]) -> None:
        with self._lock:
            self.read_units += sum(report.get("CapacityUnits", 0.0) for report in reports)


def _projected(attributes: Sequence[str]) -> tuple[dict[str, str], str]:
    names = {f"#{at}": name for at, name in enumerate(attributes)}
    return names, ", ".join(names)
