"""The durable inbox, an SQS standard queue, and its DLQ: send, drain, settle, reject with a reason.

The rules are docs/design.md, "Flow" and invariant 1: nothing is acknowledged before what replaces
it is stored, and poison is known by its content. A message's body is `{"Records": [record, …]}`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from instep.aws.aws_errors import storage
from instep.clock import Clock, utc_now
from instep.errors import StorageUnavailable
from instep.flow.calling import call_each
from instep.flow.draining import MESSAGES_PER_CALL, Drained, drain
from instep.flow.encoding import Json, written
from instep.flow.envelope import Delivery, Record, Rejection, delivery
from instep.flow.handles import delete_messages, hand_messages_back
from instep.flow.outgoing import Outgoing, attributes_of, in_calls, outgoing

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import BatchResultErrorEntryTypeDef

LONG_POLL: Final = 1  # seconds; any wait makes SQS ask all its servers before it says "empty"


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
        records: Iterable[Record | Json],
        *,
        collection: str | None = None,
        attempts: int = 0,
        error: str | None = None,
        delay: int = 0,
    ) -> int:
        """Queue `records`, packed; return the number of messages.

        `collection` restricts them to one; `delay` is in seconds (at most 900). A record that SQS
        does not take, whatever it holds, goes to the DLQ and says so there; its neighbours go on.
        Raises StorageUnavailable, after all was tried, when a message was not taken.
        """
        return self.send_all(
            outgoing(records, collection=collection, attempts=attempts, error=error, delay=delay)
        )

    def send_all(self, messages: Sequence[Outgoing]) -> int:
        """Queue messages, each with its own attributes; else as `send`."""
        aside = [(one, "it is larger than a message") for one in messages if one.is_too_large]
        sendable = [one for one in messages if not one.is_too_large]
        refused = self._send(self._queue_url, sendable)
        parts = [part for one, _ in refused for part in one.apart()]
        again = self._send(self._queue_url, parts)
        self.reject((_set_aside(*one) for one in [*aside, *again]), execution=None)
        return len(sendable) - len(refused) + len(parts) - len(again)

    def reject(self, rejections: Iterable[Rejection], execution: str | None) -> int:
        """Put records into the DLQ with attributes reason, attempts, execution and message id.

        One that is larger than a message is cut to what names it and shows what is wrong. Returns
        how many; raises StorageUnavailable, after all was tried, when one was not taken.
        """
        dead = list(rejections)
        refused = self._send(self._dlq_url, (_dead(one, execution).fitting() for one in dead))
        still = self._send(self._dlq_url, [message.reduced() for message, _ in refused])
        if still:
            raise StorageUnavailable(
                f"the DLQ refuses {len(still)} messages, however short: {still[0][1]}"
            )
        return len(dead)

    def drain(self, limit: int, until: datetime, wait: int = LONG_POLL) -> Drained:
        """Receive until the queue answers empty, about `limit` messages are here, or `until`.

        Nothing drained means that the inbox is empty: `wait` seconds went by for all its servers to
        say so. Raises StorageUnavailable only when nothing was received: what another call did
        receive is worked on first.
        """
        return drain(self._receive, limit, until, self._clock, wait)

    def delete(self, handles: Iterable[str]) -> None:
        """Acknowledge messages; those whose handle is no longer valid come back by themselves."""
        delete_messages(self._client, self._queue_url, handles)

    def hand_back(self, handles: Iterable[str], seconds: int) -> None:
        """Make messages visible again in so many seconds; those that already are stay so."""
        hand_messages_back(self._client, self._queue_url, handles, seconds)

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

    def _receive(self, wait: int) -> list[Delivery]:
        with storage("receive messages"):
            answer = self._client.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=MESSAGES_PER_CALL,
                MessageAttributeNames=["All"],
                WaitTimeSeconds=wait,
            )
        return [delivery(message) for message in answer.get("Messages", [])]

    def _send(self, queue_url: str, messages: Iterable[Outgoing]) -> list[tuple[Outgoing, str]]:
        """Send; return what SQS refuses for what it holds, with its code."""

        def send(few: Sequence[Outgoing]) -> list["BatchResultErrorEntryTypeDef"]:
            entries: list[Any] = [message.entry(at) for at, message in enumerate(few)]
            answer = self._client.send_message_batch(QueueUrl=queue_url, Entries=entries)
            return answer.get("Failed", [])

        return call_each("send messages", send, in_calls(messages))


def _dead(rejection: Rejection, execution: str | None) -> Outgoing:
    return Outgoing(
        (written(rejection.record),),
        attributes_of(
            reason=rejection.reason,
            attempts=rejection.attempts,
            execution=execution,
            message_id=rejection.message_id,
            collection=rejection.collection,
        ),
    )


def _set_aside(message: Outgoing, why: str) -> Rejection:
    """Return the only record of a message as one for the DLQ, with all that is known of it."""
    known = message.attributes
    error, collection = known.get("error"), known.get("collection")
    return Rejection(
        message.records[0],
        f"SQS does not take it ({why})" + (f": {error}" if error else ""),
        int(known.get("attempts", 0)),
        collection=str(collection) if collection else None,
    )
