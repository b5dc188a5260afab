"""Records of any accepted spelling become messages (docs/domain.md, "Messages in the queue").

A record is raw from the stream (it has `dynamodb`), wrapped by SQS (it has `body`, in Lambda's
spelling or ReceiveMessage's), or a bare body. One bad record never takes the rest with it.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from receipt_dynamo_stream.bodies import collections_named, message_of_body
from receipt_dynamo_stream.entities import RecordRejected
from receipt_dynamo_stream.messages import StreamMessage
from receipt_dynamo_stream.stream import messages_of_stream_record

_log = logging.getLogger(__name__)


class Metrics(Protocol):
    """What the parser asks of a metrics sink."""

    def count(self, name: str, value: int = 1) -> None:
        """Add `value` to the metric `name`."""


def build_messages_from_records(
    records: Iterable[Any], metrics: Metrics | None = None
) -> list[StreamMessage]:
    """Return the messages of every readable record, in order.

    A record that cannot be read is logged with its reason and counted as
    CompactionMessageParseError; who must not lose it calls `parse_record` and sees the reason.
    """
    messages: list[StreamMessage] = []
    for record in records:
        try:
            found = parse_record(record)
        except RecordRejected as rejected:
            _log.warning("Failed to parse SQS message: %s", rejected)
            if metrics is not None:
                metrics.count("CompactionMessageParseError")
            continue
        if metrics is not None and found:
            metrics.count("CompactionStreamMessage", len(found))
        messages += found
    return messages


def parse_record(record: Any) -> list[StreamMessage]:
    """Return the messages of one record, none when nothing in Chroma can follow from it.

    RecordRejected, and no other error whatever the record is, with a reason a person understands.
    """
    if not isinstance(record, Mapping):
        raise RecordRejected(f"a record is an object, this is {type(record).__name__}")
    body = record.get("body", record.get("Body"))
    if body is None:
        return _parse(record, None)
    collection = _collection_attribute(record)
    content = _json(body)
    inner = content.get("Records")
    if inner is None:
        return _parse(content, collection)
    if not isinstance(inner, list):
        raise RecordRejected("`Records` in the body is no list")
    return [message for one in inner for message in _restricted(_envelope(one), collection)]


def _envelope(record: Any) -> list[StreamMessage]:
    """Parse a record inside a message: a message inside a message is none."""
    if not isinstance(record, Mapping):
        raise RecordRejected(f"a record is an object, this is {type(record).__name__}")
    return _parse(record, None)


def _parse(content: Mapping[str, Any], collection: str | None) -> list[StreamMessage]:
    if "dynamodb" in content:
        return _restricted(messages_of_stream_record(content), collection)
    return message_of_body(content, collection)


def _restricted(messages: Iterable[StreamMessage], name: str | None) -> list[StreamMessage]:
    """Keep of each message what is for the collection `name` (None: all of it)."""
    if name is None:
        return list(messages)
    (only,) = collections_named([name])
    return [
        replace(message, collections=(only,)) for message in messages if only in message.collections
    ]


def _json(body: Any) -> Mapping[str, Any]:
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RecordRejected(f"the body is no JSON: {error}") from error
    if not isinstance(body, Mapping):
        raise RecordRejected(f"the body is no JSON object but {type(body).__name__}")
    return body


def _collection_attribute(record: Mapping[str, Any]) -> str | None:
    """Read the message attribute `collection`, in Lambda's spelling or ReceiveMessage's."""
    attributes = record.get("messageAttributes") or record.get("MessageAttributes") or {}
    attribute = attributes.get("collection") if isinstance(attributes, Mapping) else None
    if not isinstance(attribute, Mapping):
        return None
    value = attribute.get("stringValue", attribute.get("StringValue"))
    return value if isinstance(value, str) and value else None
