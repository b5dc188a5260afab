"""An entity table in moto's DynamoDB, and receipts as their owner writes them into it.

Shapes and names are docs/domain.md's; nothing here comes from the code under test but the type of
the messages. Moto evaluates the real expressions, so what passes here is a request AWS understands.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from moto import mock_aws

from receipt_dynamo_stream import ChromaDBCollection, StreamMessage

TABLE = "entities"
BUCKET = "snapshots"
REGION = "us-east-1"
WIDTH = 4  # floats an embedding

Item = dict[str, Any]


@dataclass(frozen=True)
class Cloud:
    """Moto's DynamoDB with the entity table, and its S3 with the bucket."""

    dynamodb: Any
    s3: Any

    def put(self, *items: Item) -> None:
        """Write items."""
        for item in items:
            self.dynamodb.put_item(TableName=TABLE, Item=item)

    def delete(self, *items: Item) -> None:
        """Delete items; one that is not there is no error."""
        for item in items:
            key = {name: item[name] for name in ("PK", "SK")}
            self.dynamodb.delete_item(TableName=TABLE, Key=key)

    def item(self, like: Item) -> Item | None:
        """Return the stored item with the key of `like`."""
        key = {name: like[name] for name in ("PK", "SK")}
        answer = self.dynamodb.get_item(TableName=TABLE, Key=key, ConsistentRead=True)
        found: Item | None = answer.get("Item")
        return found

    def items(self) -> list[Item]:
        """Return the whole table."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=TABLE)
        return [item for page in pages for item in page["Items"]]


@contextmanager
def moto_cloud() -> Iterator[Cloud]:
    """Yield a fresh cloud; nothing leaves the process."""
    session = boto3.Session("test", "test", region_name=REGION)
    with mock_aws():
        dynamodb = session.client("dynamodb")
        dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[
                {"AttributeName": "PK", "KeyType": "HASH"},
                {"AttributeName": "SK", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "PK", "AttributeType": "S"},
                {"AttributeName": "SK", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        s3 = session.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        yield Cloud(dynamodb, s3)


def entity(kind: str, image: str, sk: str, **attributes: str | int | None) -> Item:
    """Return an item; a number becomes N, None becomes NULL."""
    item: Item = {"PK": {"S": f"IMAGE#{image}"}, "SK": {"S": sk}, "TYPE": {"S": kind}}
    for name, value in attributes.items():
        if value is None:
            item[name] = {"NULL": True}
        else:
            item[name] = {"S": value} if isinstance(value, str) else {"N": str(value)}
    return item


@dataclass(frozen=True)
class Paper:
    """One receipt: builds its items, its embeddings' ids and the messages about it."""

    image: str = "img-1"
    number: int = 1

    @property
    def sk(self) -> str:
        """The sort key of its RECEIPT item."""
        return f"RECEIPT#{self.number:05d}"

    def receipt(self) -> Item:
        """Return the RECEIPT item."""
        return entity("RECEIPT", self.image, self.sk)

    def line(self, line: int, **attributes: str | int | None) -> Item:
        """Return a RECEIPT_LINE item."""
        return entity("RECEIPT_LINE", self.image, f"{self.sk}#LINE#{line:05d}", **attributes)

    def word(self, line: int, word: int, **attributes: str | int | None) -> Item:
        """Return a RECEIPT_WORD item."""
        sk = f"{self.sk}#LINE#{line:05d}#WORD#{word:05d}"
        return entity("RECEIPT_WORD", self.image, sk, **attributes)

    def metadata(self, **attributes: str | int | None) -> Item:
        """Return the RECEIPT_METADATA item."""
        return entity("RECEIPT_METADATA", self.image, f"{self.sk}#METADATA", **attributes)

    def place(self, **attributes: str | int | None) -> Item:
        """Return the RECEIPT_PLACE item."""
        return entity("RECEIPT_PLACE", self.image, f"{self.sk}#PLACE", **attributes)

    def label(
        self,
        line: int,
        word: int,
        label: str,
        status: str | None,
        added: str | None = "2026-01-01T00:00:00+00:00",
        by: str | None = None,
    ) -> Item:
        """Return a RECEIPT_WORD_LABEL item."""
        return entity(
            "RECEIPT_WORD_LABEL",
            self.image,
            f"{self.sk}#LINE#{line:05d}#WORD#{word:05d}#LABEL#{label}",
            validation_status=status,
            timestamp_added=added,
            label_proposed_by=by,
        )

    def run(self, run_id: str = "run-1", **attributes: str | int | None) -> Item:
        """Return a COMPACTION_RUN item whose deltas lie at `<collection>/delta/<run id>/`."""
        fields: dict[str, str | int | None] = {
            "run_id": run_id,
            "lines_delta_prefix": f"lines/delta/{run_id}/",
            "words_delta_prefix": f"words/delta/{run_id}/",
            "lines_state": "PENDING",
            "words_state": "PENDING",
        }
        sk = f"{self.sk}#COMPACTION_RUN#{run_id}"
        return entity("COMPACTION_RUN", self.image, sk, **{**fields, **attributes})

    def line_id(self, line: int) -> str:
        """Return the id of a line's embedding."""
        return f"IMAGE#{self.image}#{self.sk}#LINE#{line:05d}"

    def word_id(self, line: int, word: int) -> str:
        """Return the id of a word's embedding."""
        return f"{self.line_id(line)}#WORD#{word:05d}"

    def message(
        self,
        kind: str,
        event: str = "MODIFY",
        *,
        collections: Sequence[str] = ("lines", "words"),
        at: str = "2026-01-01T00:00:00+00:00",
        **data: Any,
    ) -> StreamMessage:
        """Return the message that something of this receipt changed."""
        ids: Mapping[str, Any] = {"image_id": self.image, "receipt_id": self.number}
        return StreamMessage(
            entity_type=kind,
            entity_data={"entity_type": kind, **ids, **data},
            changes={},
            event_name=event,
            collections=tuple(ChromaDBCollection(name) for name in collections),
            source="dynamodb_stream",
            timestamp=at,
            stream_record_id="record",
            aws_region=REGION,
        )

    def run_message(self, run_id: str = "run-1", **data: Any) -> StreamMessage:
        """Return the message that a COMPACTION_RUN was inserted."""
        return self.message("COMPACTION_RUN", "INSERT", run_id=run_id, **data)
