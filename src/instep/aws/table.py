"""Strongly consistent reads of a table, counted: by key and by range of the sort key.

What they cost is counted in requests, which take time, and in read units, which cost money: a key
costs a unit at least, a range one for every 4 KB that lie in it, wanted or not.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

from instep.aws.aws_errors import storage
from instep.batched import batched
from instep.errors import StorageUnavailable
from instep.keys import Key, KeyAttribute, KeySchema

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item: TypeAlias = Mapping[str, Mapping[str, Any]]

KEYS_A_CALL: Final = 100
_ROUNDS_WITHOUT_PROGRESS: Final = 3
_THREADS: Final = 8

A = TypeVar("A")
B = TypeVar("B")


class Range(NamedTuple):
    """The items of a partition from one sort key to another, both included."""

    pk: str
    first: str
    last: str


@dataclass(frozen=True)
class Page:
    """A part of a range, in order. `reached`: the sort key it goes on behind; None at the end."""

    items: Sequence[Item]
    units: float
    reached: str | None


class TableReader:
    """Reads one table, from many threads; `requests` and `units` are what that cost so far.

    Items come in DynamoDB JSON, with the attributes asked for. A throttle or outage, or keys that
    stay unprocessed, is StorageUnavailable.
    """

    def __init__(
        self, client: "DynamoDBClient", table: str, schema: KeySchema | None = None
    ) -> None:
        self._client, self._table = client, table
        self.schema = schema or KeySchema()
        self._lock = Lock()
        self.requests = 0
        self.units = 0.0

    def get(self, keys: Iterable[Key], attributes: Sequence[str]) -> dict[Key, Item]:
        """Return the items of those keys that have one."""
        chunks = list(batched(dict.fromkeys(keys), KEYS_A_CALL))
        return {
            self.schema.of(item): item
            for items in self.side_by_side(lambda chunk: self._chunk(chunk, attributes), chunks)
            for item in items
        }

    def page(
        self,
        within: Range,
        attributes: Sequence[str],
        *,
        after: str | None = None,
        limit: int | None = None,
    ) -> Page:
        """Return a page of a range: behind the sort key `after`, of at most `limit` items."""
        names, projection = _projected(attributes)
        partition, sort = self._both_keys()
        values = {":pk": within.pk, ":first": within.first, ":last": within.last}
        kinds = {":pk": partition.kind, ":first": sort.kind, ":last": sort.kind}
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "#pk = :pk AND #sk BETWEEN :first AND :last",
            "ExpressionAttributeValues": {
                name: {kinds[name]: value} for name, value in values.items()
            },
            "ExpressionAttributeNames": {**names, "#pk": partition.name, "#sk": sort.name},
            "ProjectionExpression": projection,
            "ConsistentRead": True,
            "ReturnConsumedCapacity": "TOTAL",
        }
        if after is not None:
            request["ExclusiveStartKey"] = self.schema.written((within.pk, after))
        if limit is not None:
            request["Limit"] = limit
        with storage(f"Query {self._table}"):
            answer = self._client.query(**request)
        units = self._consumed([answer.get("ConsumedCapacity", {})])
        reached = answer.get("LastEvaluatedKey")
        return Page(answer["Items"], units, self.schema.of(reached)[1] if reached else None)

    def all_of(self, within: Range, attributes: Sequence[str]) -> Iterator[Item]:
        """Yield every item of a range."""
        after = None
        while True:
            page = self.page(within, attributes, after=after)
            yield from page.items
            if (after := page.reached) is None:
                return

    def side_by_side(self, read: Callable[[A], B], wanted: Sequence[A]) -> Iterator[B]:
        """Yield what `read` says of each, in order, a few reads at a time."""
        if len(wanted) < 2:
            yield from map(read, wanted)
            return
        with ThreadPoolExecutor(min(_THREADS, len(wanted))) as threads:
            yield from threads.map(read, wanted)

    def _chunk(self, keys: Sequence[Key], attributes: Sequence[str]) -> list[Item]:
        """Read up to 100 keys; what the table hands back unprocessed is asked for again at once."""
        names, projection = _projected(attributes)
        request: Any = {
            "Keys": [self.schema.written(key) for key in keys],
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

    def _both_keys(self) -> tuple[KeyAttribute, KeyAttribute]:
        if self.schema.sort is None:
            raise ValueError(f"{self._table} has no sort key: nothing of it is read by range")
        return self.schema.partition, self.schema.sort

    def _consumed(self, reports: Iterable[Mapping[str, Any]]) -> float:
        units = float(sum(report.get("CapacityUnits", 0.0) for report in reports))
        with self._lock:
            self.requests += 1
            self.units += units
        return units


def _projected(attributes: Sequence[str]) -> tuple[dict[str, str], str]:
    names = {f"#{at}": name for at, name in enumerate(attributes)}
    return names, ", ".join(names)
