"""Images of the table's items and records of its stream, as DynamoDB writes them."""

from collections.abc import Mapping
from typing import Any

Item = dict[str, Any]


def item(pk: str, sk: str, entity_type: str, **strings: str | None) -> Item:
    """Return an item's image; a None becomes `{"NULL": true}`."""
    fields: Item = {
        name: {"NULL": True} if value is None else {"S": value} for name, value in strings.items()
    }
    return {"PK": {"S": pk}, "SK": {"S": sk}, "TYPE": {"S": entity_type}, **fields}


def stream_record(
    event_name: str,
    pk: str,
    sk: str,
    *,
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
    created: float = 1_767_225_600.0,
) -> dict[str, Any]:
    """Return a record of the stream for one item."""
    change: dict[str, Any] = {
        "Keys": {"PK": {"S": pk}, "SK": {"S": sk}},
        "ApproximateCreationDateTime": created,
        "SequenceNumber": "111",
        "SizeBytes": 100,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    if old is not None:
        change["OldImage"] = dict(old)
    if new is not None:
        change["NewImage"] = dict(new)
    return {
        "eventID": f"{event_name}-{sk}",
        "eventName": event_name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-central-1",
        "dynamodb": change,
        "eventSourceARN": "arn:aws:dynamodb:eu-central-1:123456789012:table/T/stream/1",
    }
