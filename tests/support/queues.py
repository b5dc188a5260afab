"""Queues in memory that take what SQS's API reference says it takes, to the byte, and nothing else.

moto counts characters for bytes and lets attributes travel for nothing.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

MEBIBYTE: Final = 1_048_576
ALLOWED: Final = re.compile("[\u0009\u000a\u000d\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
_ATTRIBUTE: Final = re.compile(r"[A-Za-z0-9_.-]{1,256}")


@dataclass
class StrictQueues:
    """A client that only sends: what each queue holds, and the bytes of every call.

    `whole`: a message that is refused fails its call, as a service may; else only its entry.
    """

    whole: bool = False
    held: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    calls: list[int] = field(default_factory=list)

    def send_message_batch(
        self,
        QueueUrl: str,  # noqa: N803 - boto3's names
        Entries: Sequence[Mapping[str, Any]],  # noqa: N803
    ) -> dict[str, Any]:
        weights = [weigh(entry) for entry in Entries]
        self.calls.append(sum(weights))
        if not 1 <= len(Entries) <= 10 or len({entry["Id"] for entry in Entries}) < len(Entries):
            raise refusal("AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
        if sum(weights) > MEBIBYTE:
            raise refusal("AWS.SimpleQueueService.BatchRequestTooLong")
        failed = []
        for entry in Entries:
            code = _refused(entry)
            if code and self.whole:
                raise refusal(code)
            if code:
                failed.append({"Id": entry["Id"], "Code": code, "SenderFault": True})
        refused = {one["Id"] for one in failed}
        self.held[QueueUrl] += [dict(entry) for entry in Entries if entry["Id"] not in refused]
        return {"Failed": failed}


def read(message: Mapping[str, Any]) -> tuple[list[Any], dict[str, str]]:
    """Return a message's records and attributes."""
    attributes = message["MessageAttributes"]
    values = {name: one["StringValue"] for name, one in attributes.items()}
    return json.loads(message["MessageBody"])["Records"], values


def weigh(entry: Mapping[str, Any]) -> int:
    """Return what SQS counts of a message: everything that travels, in bytes."""
    parts = [entry["MessageBody"]]
    for name, attribute in entry.get("MessageAttributes", {}).items():
        parts += [name, attribute["DataType"], attribute["StringValue"]]
    return sum(len(part.encode("utf-8", "surrogatepass")) for part in parts)


def refusal(code: str, status: int = 400) -> ClientError:
    """Return the error that boto3 raises for an answer of the service."""
    answer: Any = {
        "Error": {"Code": code, "Message": code},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "SendMessageBatch")


def _refused(entry: Mapping[str, Any]) -> str:
    attributes = entry.get("MessageAttributes", {})
    values = [attribute["StringValue"] for attribute in attributes.values()]
    if not all(map(ALLOWED.fullmatch, [entry["MessageBody"], *values])):
        return "InvalidMessageContents"
    if len(attributes) > 10 or not all(map(_ATTRIBUTE.fullmatch, attributes)):
        return "InvalidParameterValue"
    if weigh(entry) > MEBIBYTE or not 0 <= entry.get("DelaySeconds", 0) <= 900:
        return "InvalidParameterValue"
    return ""
