"""Look into the DLQ without taking anything out of it: what lies there, and why."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from instep.envelope import attempts_of
from tools.local_cloud.target import Target

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

LOOKED_AT = 50
_HIDDEN_SECONDS = 30  # long enough to see each once, handed back at the end
_BY_COUNT = "received too often without a verdict (the queue's own redrive policy)"


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
    sqs: SQSClient = target.client("sqs")
    seen: dict[str, MessageTypeDef] = {}
    try:
        while len(seen) < LOOKED_AT:
            answer = sqs.receive_message(
                QueueUrl=dlq_url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=_HIDDEN_SECONDS,
                WaitTimeSeconds=0,
                MessageAttributeNames=["All"],
            )
            fresh = {message["MessageId"]: message for message in answer.get("Messages", [])}
            if not fresh:
                break
            seen |= fresh
    finally:
        for message in seen.values():
            sqs.change_message_visibility(
                QueueUrl=dlq_url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
    return [_letter(message) for message in seen.values()]


def _letter(message: "MessageTypeDef") -> DeadLetter:
    said = {
        name: value.get("StringValue", "")
        for name, value in message.get("MessageAttributes", {}).items()
    }
    return DeadLetter(
        message_id=said.get("message_id") or message["MessageId"],
        what=_what(message["Body"]),
        reason=said.get("reason") or said.get("error") or _BY_COUNT,
        attempts=attempts_of(said),
        execution=said.get("execution"),
        collection=said.get("collection"),
    )


def _what(body: str) -> str:
    """Name the record: the key of its item, or the beginning of what is no record."""
    with suppress(ValueError, AttributeError, TypeError, RecursionError):
        for record in _records(json.loads(body)):
            keys = record.get("dynamodb", {}).get("Keys", {})
            found = [next(iter(keys[name].values())) for name in ("PK", "SK") if name in keys]
            if found:
                return "#".join(str(part) for part in found)
            inner = record.get("body")
            return _clipped(inner if isinstance(inner, str) else json.dumps(record))
    return _clipped(body)


def _records(document: Any) -> Iterator[Mapping[str, Any]]:
    yield from document.get("Records", []) if isinstance(document, dict) else []


def _clipped(text: str, width: int = 80) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
