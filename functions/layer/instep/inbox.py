"""The durable inbox, an SQS standard queue, and its DLQ: send, drain, settle, reject with a reason.

The rules are docs/design.md, "Flow" and invariant 1: nothing is acknowledged before what replaces
it is stored, and poison is known by its content. A message's body is `{"Records": [record, …]}`.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from instep.aws_errors import storage
from instep.clock import Clock, utc_now
from instep.envelope import Delivery, Record, Rejection, pack
from instep.errors import StorageUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import BatchResultErrorEntryTypeDef, MessageTypeDef

_ENTRIES_PER_CALL: Final = 10
_BYTES_PER_CALL: Final = 1_000_000  # SQS takes 1 MiB, attributes included
_DRAINED_BYTES: Final = 32_000_000  # what a parse may hold in memory
_THREADS: Final = 4


@dataclass(frozen=True)
class Depth:
    """How many messages the queue says it has (eventually consistent)."""

    visible: int
    in_flight: int
    delayed: int


class Inbox:
    """The inbox and the DLQ behind it."""

    def __init__(
        self, client: "SQSClient", queue_url: str, dlq_url: str, clock: Clock = utc_now
    ) -> None:
        self._client = client
        self._queue_url = queue_url
        self._dlq_url = dlq_url
        self._clock = clock

    def send(
        self,
        records: Iterable[Record],
        *,
        collection: str | None = None,
        attempts: int = 0,
        error: str | None = None,
        delay: int = 0,
    ) -> int:
        """Queue `records`, packed; return the number of messages.

        `collection` restricts them to one; `delay` is in seconds (at most 900). Raises
        StorageUnavailable, after all was tried, when a message was not taken.
        """
        attributes = _attributes(
            collection=collection, attempts=attempts, error=_printable(error) if error else None
        )
        entries = [_entry(body, attributes, delay) for body in pack(records)]
        self._send(self._queue_url, entries)
        return len(entries)

    def reject(self, rejections: Iterable[Rejection], execution: str) -> int:
        """Put records into the DLQ with attributes reason, attempts, execution and message id.

        Returns how many; raises StorageUnavailable, after all was tried, when one was not taken.
        """
        entries = [
            _entry(
                json.dumps({"Records": [rejection.record]}),
                _attributes(
                    reason=_printable(rejection.reason),
                    attempts=rejection.attempts,
                    execution=execution,
                    message_id=rejection.message_id,
                    collection=rejection.collection,
                ),
                delay=0,
            )
            for rejection in rejections
        ]
        self._send(self._dlq_url, entries)
        return len(entries)

    def drain(self, limit: int, until: datetime) -> list[Delivery]:
        """Receive until the queue answers empty, about `limit` messages are here, or `until`.

        Each message is here once. Raises StorageUnavailable only when nothing was received: what
        another call did receive is worked on first.
        """
        drained: dict[str, Delivery] = {}
        first = self._receive()
        drained.update((delivery.message_id, delivery) for delivery in first)
        if not first:
            return []
        size = sum(len(delivery.body) for delivery in first)
        guard = Lock()

        def receive_on() -> None:
            nonlocal size
            while len(drained) < limit and size < _DRAINED_BYTES and self._clock() < until:
                try:
                    received = self._receive(at_once=True)
                except StorageUnavailable:
                    return
                if not received:
                    return
                with guard:
                    drained.update((delivery.message_id, delivery) for delivery in received)
                    size += sum(len(delivery.body) for delivery in received)

        with ThreadPoolExecutor(_THREADS) as pool:
            for worker in [pool.submit(receive_on) for _ in range(_THREADS)]:
                worker.result()
        return list(drained.values())

    def delete(self, handles: Iterable[str]) -> None:
        """Acknowledge messages; those whose handle is no longer valid come back by themselves."""

        def delete(chunk: Sequence[str]) -> list["BatchResultErrorEntryTypeDef"]:
            answer = self._client.delete_message_batch(
                QueueUrl=self._queue_url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": handle}
                    for index, handle in enumerate(chunk)
                ],
            )
            return answer.get("Failed", [])

        self._each("delete messages", delete, _tens(list(handles)))

    def hand_back(self, handles: Iterable[str]) -> None:
        """Make messages visible at once; those that already are stay so."""

        def hand_back(chunk: Sequence[str]) -> list["BatchResultErrorEntryTypeDef"]:
            answer = self._client.change_message_visibility_batch(
                QueueUrl=self._queue_url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                    for index, handle in enumerate(chunk)
                ],
            )
            return answer.get("Failed", [])

        self._each("hand messages back", hand_back, _tens(list(handles)))

    def depth(self) -> Depth:
        """Return the inbox's depth."""
        with storage("read the inbox's depth"):
            answer = self._client.get_queue_attributes(
                QueueUrl=self._queue_url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                    "ApproximateNumberOfMessagesDelayed",
                ],
            )
        found = answer["Attributes"]
        return Depth(
            visible=int(found["ApproximateNumberOfMessages"]),
            in_flight=int(found["ApproximateNumberOfMessagesNotVisible"]),
            delayed=int(found.get("ApproximateNumberOfMessagesDelayed", "0")),
        )

    def _receive(self, *, at_once: bool = False) -> list[Delivery]:
        """Receive ten at most; waits as the queue says, for a long poll asks all its servers."""
        wait: Any = {"WaitTimeSeconds": 0} if at_once else {}
        with storage("receive messages"):
            answer = self._client.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=_ENTRIES_PER_CALL,
                MessageAttributeNames=["All"],
                **wait,
            )
        return [_delivery(message) for message in answer.get("Messages", [])]

    def _send(self, queue_url: str, entries: Sequence[Mapping[str, Any]]) -> None:
        def send(chunk: Sequence[Any]) -> list["BatchResultErrorEntryTypeDef"]:
            numbered: list[Any] = [{"Id": str(at), **entry} for at, entry in enumerate(chunk)]
            answer = self._client.send_message_batch(QueueUrl=queue_url, Entries=numbered)
            return [{**failed, "SenderFault": False} for failed in answer.get("Failed", [])]

        self._each("send messages", send, _by_size(entries))

    def _each(
        self,
        act: str,
        call: Callable[[Sequence[Any]], list["BatchResultErrorEntryTypeDef"]],
        chunks: Iterable[Sequence[Any]],
    ) -> None:
        """Call once a chunk, all of them, then raise for what a retry can cure."""

        def attempt(chunk: Sequence[Any]) -> list[str]:
            try:
                with storage(act):
                    failed = call(chunk)
            except StorageUnavailable as error:
                return [str(error)]
            return [f"{act}: {entry['Code']}" for entry in failed if not entry["SenderFault"]]

        with ThreadPoolExecutor(_THREADS) as pool:
            failures = [failure for found in pool.map(attempt, chunks) for failure in found]
        if failures:
            raise StorageUnavailable(f"{len(failures)} failures, the first: {failures[0]}")


def _attributes(**values: str | int | None) -> dict[str, Any]:
    return {
        name: {
            "DataType": "Number" if isinstance(value, int) else "String",
            "StringValue": str(value),
        }
        for name, value in values.items()
        if value is not None
    }


def _printable(text: str) -> str:
    """Bound and clean what came from outside: SQS refuses control characters and empty values."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text)
    return clean.encode("ascii", "backslashreplace").decode()[:1000] or "unknown"


def _entry(body: str, attributes: Mapping[str, Any], delay: int) -> dict[str, Any]:
    entry = {"MessageBody": body, "MessageAttributes": attributes}
    return {**entry, "DelaySeconds": delay} if delay else entry


def _by_size(entries: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    chunk: list[Mapping[str, Any]] = []
    size = 0
    for entry in entries:
        weight = len(json.dumps(entry))
        if chunk and (len(chunk) == _ENTRIES_PER_CALL or size + weight > _BYTES_PER_CALL):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += weight
    if chunk:
        yield chunk


def _tens(handles: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(handles), _ENTRIES_PER_CALL):
        yield handles[start : start + _ENTRIES_PER_CALL]


def _delivery(message: "MessageTypeDef") -> Delivery:
    attributes = {
        name: value["StringValue"]
        for name, value in message.get("MessageAttributes", {}).items()
        if "StringValue" in value
    }
    attempts = attributes.get("attempts", "0")
    return Delivery(
        message_id=message["MessageId"],
        handle=message["ReceiptHandle"],
        body=message["Body"],
        attributes=attributes,
        attempts=int(attempts) if attempts.isdecimal() else 0,
    )
