"""What reaches the inbox, the console and the stream, and what must come of it.

Whatever one of them holds, a good message beside it is taken, and what is set aside can be sent.
"""

import copy
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.hostile.boundary import Boundary
from benchmarks.hostile.case import Case
from benchmarks.hostile.memory_objects import MemoryObjects
from benchmarks.hostile.mutation import bytes_mutated, json_mutated, nested
from instep.errors import InputRejected
from instep.flow.envelope import Delivery
from instep.flow.inbox import Inbox
from instep.flow.parking import park
from instep.flow.screening import screen
from instep.lambda_.inputs import Pasted, read_input
from instep.lambda_.intake import take_in
from instep.metrics import NoMetrics
from receipt_domain import DOMAIN

_NOW: Final = datetime(2025, 10, 1, tzinfo=UTC)
_KEYS: Final = {"PK": {"S": "IMAGE#i1"}, "SK": {"S": "RECEIPT#00001"}}
_LABEL: Final = {
    "PK": {"S": "IMAGE#i1"},
    "SK": {"S": "RECEIPT#00001#LINE#00001#WORD#00002#LABEL#TOTAL"},
}
_STREAM: Final = (
    {"eventName": "REMOVE", "dynamodb": {"Keys": _KEYS, "OldImage": {"TYPE": {"S": "RECEIPT"}}}},
    {
        "eventID": "e1",
        "eventName": "MODIFY",
        "awsRegion": "eu-west-1",
        "dynamodb": {
            "Keys": _LABEL,
            "ApproximateCreationDateTime": 1759300000.5,
            "OldImage": {"validation_status": {"S": "NONE"}, "TimeToLive": {"N": "1759300000"}},
            "NewImage": {"validation_status": {"S": "VALID"}, "reasoning": {"NULL": True}},
        },
    },
    {
        "eventName": "INSERT",
        "dynamodb": {
            "Keys": {"PK": _KEYS["PK"], "SK": {"S": "RECEIPT#00001#COMPACTION_RUN#r1"}},
            "NewImage": {"words_delta_prefix": {"S": "words/delta/r1/"}},
        },
    },
)
_OTHERS: Final = (
    {
        "source": "dynamodb_stream",
        "entity_type": "RECEIPT_WORD",
        "entity_data": {"image_id": "i1", "receipt_id": 1, "line_id": "2", "word_id": 3},
        "changes": {"text": {"old": "a", "new": "b"}},
        "event_name": "INSERT",
        "collections": ["words"],
        "timestamp": "2025-10-01T12:00:00+00:00",
    },
    {"delta_key": "words/delta/x/", "collection": "words", "vector_count": 7, "batch_id": "b"},
)
_GOOD: Final = Delivery("good", "handle", json.dumps({"Records": [_STREAM[0]]}), {}, 0)
_MESSAGE_BYTES: Final = 1 << 20  # what SQS takes
_INPUT_BYTES: Final = 256 << 10  # what Step Functions takes
_ATTRIBUTES: Final = ("attempts", "collection", "error", "reason", "", "x")
_TINY: Final[tuple[Any, ...]] = (None, 1, "", [], {})
_TEXTS: Final = ("0", "1", "-1", "²", "1" * 5000, "9" * 9, "words", "lines", "\ud800", "\x01", "")


def boundaries(_scratch: Path) -> list[Boundary]:
    """Return the boundaries of the inbox, the console and the stream."""
    return [
        Case("message body", (), _body, _take_body),
        Case("message attributes", (), _attributes, _drain),
        Case("console input", (InputRejected,), _input, _take_input),
        Case("stream records", (), _records, _screen),
    ]


def _record(dice: random.Random) -> Any:
    record: Any = copy.deepcopy(dice.choice((*_STREAM, *_OTHERS)))
    if dice.random() < 0.3:
        attributes = {"collection": {"stringValue": "words", "dataType": "String"}}
        record = {"messageId": "m", "body": json.dumps(record), "messageAttributes": attributes}
    return record


def _content(dice: random.Random) -> Any:
    content: Any = {"Records": [_record(dice) for _ in range(dice.choice((1, 1, 2, 5)))]}
    mutated = json_mutated(dice, dice.choice((content, _record(dice))))
    content = mutated if _is_small(mutated) else content
    if dice.random() < 0.02:
        content = {"Records": [dice.choice(_TINY)] * dice.choice((100, 999, 1001, 100_000))}
    return content


def _is_small(content: Any) -> bool:
    """Say whether a message could hold it, without writing it out to see."""
    waiting, weight = [content], 0
    while waiting and weight < _MESSAGE_BYTES:
        one = waiting.pop()
        weight += len(one) if isinstance(one, str) else 1
        if isinstance(one, dict | list):
            waiting += one.values() if isinstance(one, dict) else one
    return not waiting


def _body(dice: random.Random) -> str:
    if dice.random() < 0.05:
        return nested(dice).decode()
    text = json.dumps(_content(dice), ensure_ascii=dice.random() < 0.5)
    if dice.random() < 0.3:
        mutated = bytes_mutated(dice, text.encode("utf-8", "surrogatepass"))
        text = mutated.decode("utf-8", "replace")
    return text[:_MESSAGE_BYTES]


def _input(dice: random.Random) -> Any:
    content = _content(dice)
    if dice.random() < 0.3:
        wrapped = {"body": _body(dice), "messageAttributes": json_mutated(dice, {"collection": {}})}
        content = {"Records": [wrapped, _STREAM[0]]}
    if dice.random() < 0.3:
        content = json_mutated(dice, content)
    fits = _is_small(content) and len(json.dumps(content)) <= _INPUT_BYTES
    return content if fits else {"Records": [_STREAM[0]]}


def _attributes(dice: random.Random) -> Mapping[str, Any]:
    values = {
        dice.choice(_ATTRIBUTES): dice.choice(
            ({"StringValue": dice.choice(_TEXTS), "DataType": "String"}, {"BinaryValue": b"\xff"})
        )
        for _ in range(3)
    }
    return {
        "MessageId": "m",
        "ReceiptHandle": "h",
        "Body": _body(dice),
        "MessageAttributes": values,
    }


def _records(dice: random.Random) -> list[Any]:
    return [json_mutated(dice, dice.choice(_STREAM)) for _ in range(3)]


def _take_body(body: str) -> None:
    _take([], [Delivery("m", "h", body, {}, 0), _GOOD])


def _take_input(content: Any) -> None:
    given = read_input(content, DOMAIN.collections)
    if isinstance(given, Pasted):
        _take(given.records, [_GOOD])


def _drain(message: Mapping[str, Any]) -> None:
    drained = _inbox(message).drain(10, _NOW, 0)
    _take([], [*drained.deliveries, _GOOD])


def _screen(records: list[Any]) -> None:
    screened = screen([*records, _STREAM[0]], DOMAIN)
    if not screened.kept:
        raise AssertionError("a good record was not let through")
    _inbox().reject(screened.poison, "execution")


def _take(records: Any, deliveries: list[Delivery]) -> None:
    taken = take_in(records, deliveries, DOMAIN, NoMetrics())
    if not taken.batches or _GOOD.handle in taken.finished:
        raise AssertionError(f"a good message was not taken: {taken}")
    _inbox().reject(taken.poison, "execution")
    park(MemoryObjects(), "round", taken.held, taken.records, taken.batches)


class _Queue:
    """A queue that holds one message, and takes what SQS would."""

    def __init__(self, message: Mapping[str, Any] | None) -> None:
        self._messages = [message] if message else []

    def receive_message(self, **_: Any) -> Any:
        """Give the message, once."""
        given, self._messages = self._messages, []
        return {"Messages": given}

    def send_message_batch(self, **call: Any) -> Any:
        """Take messages; a text that is none raises."""
        for entry in call["Entries"]:
            entry["MessageBody"].encode()
            for value in entry["MessageAttributes"].values():
                if not value["StringValue"].isprintable() or not value["StringValue"]:
                    raise AssertionError(f"SQS refuses {value}")
        return {}


def _inbox(message: Mapping[str, Any] | None = None) -> Inbox:
    queue: Any = _Queue(message)
    return Inbox(queue, "inbox", "dlq", lambda: _NOW)
