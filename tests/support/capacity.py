"""Moto's DynamoDB made to count as the real one does: read units by what was read, and requests.

Moto says 1 a Query whatever lies in it. A strongly consistent read costs a unit for each 4 KB that
are begun: of each item by key, of all items of a page by range, before anything is projected away.
A key without an item, and a page without one, cost a unit too.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from threading import Lock
from typing import Any

from moto.dynamodb.models import dynamodb_backends

from tests.support.aws import ACCOUNT, ENTITIES, REGION

UNIT = 4096


@dataclass
class Reads:
    """The reads of a block, by operation and parameters, and the units they cost together."""

    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    units: float = 0.0

    def of(self, operation: str) -> list[Mapping[str, Any]]:
        """Return the parameters of an operation's calls."""
        return [params for name, params in self.calls if name == operation]

    def keys(self) -> list[str]:
        """Return the sort keys that were read by key."""
        calls = self.of("BatchGetItem")
        return [key["SK"]["S"] for one in calls for key in one["RequestItems"][ENTITIES]["Keys"]]


@contextmanager
def counted(dynamodb: Any) -> Iterator[Reads]:
    """Count what this client reads within the block; the answers it gets say what that costs."""
    reads, turn = Reads(), Lock()

    def hear(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["heard"] = params

    def price(parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        if model.name not in ("BatchGetItem", "Query"):
            return
        params = context["heard"]
        units = float(_units(model.name, params, parsed))
        report = {"TableName": ENTITIES, "CapacityUnits": units}
        parsed["ConsumedCapacity"] = [report] if model.name == "BatchGetItem" else report
        with turn:
            reads.calls.append((model.name, params))
            reads.units += units

    handlers = (("provide-client-params.dynamodb", hear), ("after-call.dynamodb", price))
    for event, handler in handlers:
        dynamodb.meta.events.register(event, handler)
    try:
        yield reads
    finally:
        for event, handler in handlers:
            dynamodb.meta.events.unregister(event, handler)


def _units(operation: str, params: Mapping[str, Any], answer: Mapping[str, Any]) -> int:
    if operation == "BatchGetItem":
        keys = params["RequestItems"][ENTITIES]["Keys"]
        return sum(
            max(1, ceil(_sizes(key["PK"]["S"]).get(key["SK"]["S"], 0) / UNIT)) for key in keys
        )
    values = params["ExpressionAttributeValues"]
    after = params.get("ExclusiveStartKey", {}).get("SK", {}).get("S", "")
    there = [
        size
        for sk, size in sorted(_sizes(values[":pk"]["S"]).items())
        if values[":first"]["S"] <= sk <= values[":last"]["S"] and sk > after
    ]
    return max(1, ceil(sum(there[: answer["ScannedCount"]]) / UNIT))


def _sizes(pk: str) -> dict[str, int]:
    """Return how many bytes each item of a partition has, by sort key."""
    partitions = dynamodb_backends[ACCOUNT][REGION].tables[ENTITIES].items
    found = next((items for key, items in partitions.items() if key.value == pk), {})
    return {sk.value: item.size() for sk, item in found.items()}
