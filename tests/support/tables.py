"""The entity table in moto's DynamoDB, as its owner writes and reads it, and the bucket beside it.

Moto evaluates the real expressions, so what passes here is a request AWS understands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.aws import ENTITIES, Services
from tests.support.items import Item


@dataclass(frozen=True)
class Cloud:
    """The entity table of the services, and their S3."""

    aws: Services

    @property
    def dynamodb(self) -> Any:
        """The client of the table."""
        return self.aws.dynamodb

    @property
    def s3(self) -> Any:
        """The client of the buckets."""
        return self.aws.s3

    def put(self, *items: Item) -> None:
        """Write items."""
        self._write([{"PutRequest": {"Item": item}} for item in items])

    def delete(self, *items: Item) -> None:
        """Delete items; one that is not there is no error."""
        for item in items:
            self.dynamodb.delete_item(TableName=ENTITIES, Key=_key(item))

    def write(self, what: Mapping[tuple[str, str], Item | None]) -> None:
        """Write an item a key (PK, SK), or delete it (None)."""
        self._write(
            [
                {"DeleteRequest": {"Key": {"PK": {"S": pk}, "SK": {"S": sk}}}}
                if item is None
                else {"PutRequest": {"Item": item}}
                for (pk, sk), item in what.items()
            ]
        )

    def item(self, like: Item) -> Item | None:
        """Return the stored item with the key of `like`."""
        answer = self.dynamodb.get_item(TableName=ENTITIES, Key=_key(like), ConsistentRead=True)
        found: Item | None = answer.get("Item")
        return found

    def items(self) -> list[Item]:
        """Return the whole table."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=ENTITIES)
        return [item for page in pages for item in page["Items"]]

    def _write(self, requests: Sequence[Any]) -> None:
        for at in range(0, len(requests), 25):
            self.dynamodb.batch_write_item(RequestItems={ENTITIES: requests[at : at + 25]})


def _key(item: Item) -> Item:
    return {name: item[name] for name in ("PK", "SK")}
