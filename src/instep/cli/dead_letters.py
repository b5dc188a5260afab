"""Look into the DLQ without taking anything out of it: what lies there, and why."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from instep.flow.envelope import attempts_of, reason_of
from instep.local.target import Target

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

LOOKED_AT = 50
_A_CALL = 10  # messages that SQS takes or gives at once
_HIDDEN_SECONDS = 60  # long enough to see each once, handed back at the end
_LONGEST = 400  # characters shown of what is no record


@dataclass(frozen=True)
class DeadLetter:
    """One message of the DLQ: `what` names its record, `reason` why it is here."""

    message_id: str
    what: str
    reason: str
    attempts: int
    execution: str | None
    collection: str | None


def dead_letters(target: Target, dlq_url: str) -> list[DeadLetter]:
    """Return up to `LOOKED_AT` messages; they stay in the DLQ and are visible again at once."""
    return [letter_of(message) for message in peek(target.client("sqs"), dlq_url, LOOKED_AT)]


def peek(
    sqs: "SQSClient", dlq_url: str, limit: int, patience: int = 0
) -> Iterator["MessageTypeDef"]:
    """Yield up to `limit` messages, each once; in the end they are handed back, visible at once.

    `patience` is how many seconds an answer may take to be empty: with 0 SQS asks few of its
    servers, and misses what lies on the others.
    """
    from instep.flow.handles import hand_messages_back  # boto3, which no help needs

    handles: dict[str, str] = {}
    try:
        while len(handles) < limit:
            answer = sqs.receive_message(
                QueueUrl=dlq_url,
                MaxNumberOfMessages=min(_A_CALL, limit - len(handles)),
                VisibilityTimeout=_HIDDEN_SECONDS,
                WaitTimeSeconds=patience,
                MessageAttributeNames=["All"],
            )
            received = answer.get("Messages", [])
            fresh = [message for message in received if message["MessageId"] not in handles]
            handles |= {message["MessageId"]: message["ReceiptHandle"] for message in received}
            yield from fresh
            if not fresh:
                break
    finally:
        hand_messages_back(sqs, dlq_url, handles.values(), 0)


def letter_of(message: "MessageTypeDef") -> DeadLetter:
    """Read a message of the DLQ, whoever put it there."""
    said = {
        name: value.get("StringValue", "")
        for name, value in message.get("MessageAttributes", {}).items()
    }
    return DeadLetter(
        message_id=said.get("message_id") or message["MessageId"],
        what=_what(message["Body"]),
        reason=reason_of(said),
        attempts=attempts_of(said),
        execution=said.get("execution"),
        collection=said.get("collection"),
    )


def _what(body: str) -> str:
    """Name the record: the key of its item, or the beginning of what is no record."""
    with suppress(ValueError, AttributeError, TypeError, RecursionError):
        for record in records_of(json.loads(body)):
            keys = record.get("dynamodb", {}).get("Keys", {})
            found = [next(iter(keys[name].values())) for name in ("PK", "SK") if name in keys]
            if found:
                return "#".join(str(part) for part in found)
            inner = record.get("body")
            return _clipped(inner if isinstance(inner, str) else json.dumps(record))
    return _clipped(body)


def records_of(document: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the records of a message's body, if it is one of the inbox."""
    records = document.get("Records") if isinstance(document, dict) else None
    yield from records if isinstance(records, list) else []


def _clipped(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
