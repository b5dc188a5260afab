"""Records of any accepted spelling become messages (docs/domain.md, "Messages in the queue").

A record is raw from the stream (it has `dynamodb`), wrapped by SQS (it has `body`, in Lambda's
spelling or ReceiveMessage's), or a bare body. One bad record never takes the rest with it.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from instep.domain import RecordRejected
from instep.flow.envelope import MOST_RECORDS
from instep.json_text import NotJson, read_json
from receipt_dynamo_stream.bodies import collections_named, message_of_body
from receipt_dynamo_stream.messages import StreamMessage
from receipt_dynamo_stream.stream import messages_of_stream_record

_DEEPEST: Final = 100  # DynamoDB's own 32 levels are some 70 of JSON; a parser gives up at 1,000

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
    CompactionMessageParseError, one that nothing in Chroma can follow from as
    StreamRecordsSkipped. Who must not lose a record calls `parse_record` and sees the reason.
    """
    messages: list[StreamMessage] = []
    for record, collection in _pieces(records):
        try:
            found = _restricted(_parse(record), collection)
        except RecordRejected as rejected:
            _log.warning("Failed to parse SQS message: %s", rejected)
            counted = ("CompactionMessageParseError", 1)
        else:
            messages += found
            counted = ("CompactionStreamMessage", len(found))
            if not found:
                counted = ("StreamRecordsSkipped", 1)
        if metrics is not None:
            metrics.count(*counted)
    return messages


def parse_record(record: Any) -> list[StreamMessage]:
    """Return the messages of one record, none when nothing in Chroma can follow from it.

    RecordRejected, and no other error whatever the record is, with a reason a person understands.
    """
    return [
        message
        for one, collection in _opened(record)
        for message in _restricted(_parse(one), collection)
    ]


def _pieces(records: Iterable[Any]) -> Iterator[tuple[Any, str | None]]:
    """Yield each record by itself, those of an inbox message too: they stand and fall alone."""
    for record in records:
        try:
            yield from _opened(record)
        except RecordRejected:
            yield record, None  # parsing it says why, where it is counted


def _opened(record: Any) -> list[tuple[Any, str | None]]:
    """Return an inbox message's records, each with the one collection it is for, if any.

    Any other record is returned as it is.
    """
    body = _body(record)
    content = None if body is None else _json(body)
    if content is None or "Records" not in content:
        return [(record, None)]
    inner = content["Records"]
    if not isinstance(inner, list) or len(inner) > MOST_RECORDS:
        raise RecordRejected(f"`Records` in the body is no list of at most {MOST_RECORDS}")
    collection = _collection_attribute(record)
    return [(one, collection) for one in inner]


def _parse(record: Any) -> list[StreamMessage]:
    """Return the messages of a record that holds no others."""
    body = _body(record)
    if body is None:
        content, collection = record, None
    else:
        content, collection = _json(body), _collection_attribute(record)
    if _depth_exceeds(content, _DEEPEST):
        raise RecordRejected(f"it is nested deeper than {_DEEPEST} levels")
    if "Records" in content:
        raise RecordRejected("`Records` belong in the body of a message, and not inside another")
    if "dynamodb" in content:
        return _restricted(messages_of_stream_record(content), collection)
    return message_of_body(content, collection)


def _body(record: Any) -> Any:
    """Return the body of a record wrapped by SQS, in either spelling; None when it is not."""
    if not isinstance(record, Mapping):
        raise RecordRejected(f"a record is an object, this is {type(record).__name__}")
    return record.get("body", record.get("Body"))


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for one in level
            if isinstance(one, Mapping | list)
            for inner in (one.values() if isinstance(one, Mapping) else one)
        ]
        if not level:
            return False
    return True


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
            body = read_json(body)
        except NotJson as error:
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
