"""The DLQ as a place to send from: letters taken a hundred at a time, hidden while that is done.

As many are taken as there were at first: what comes meanwhile may be one of those just sent, that
was refused once more, and would be sent in circles. No clock tells them apart: SQS has its own.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from instep.aws.aws_errors import storage
from instep.clock import Clock, utc_now
from instep.flow.draining import MESSAGES_PER_CALL, drain
from instep.flow.envelope import Delivery, delivery, reason_of, unpack
from instep.flow.handles import delete_messages, hand_messages_back
from instep.flow.inbox import LONG_POLL
from instep.flow.outgoing import outgoing
from instep.flow.redriving import Parcel

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

HIDDEN: Final = timedelta(minutes=10)
"""For how long a letter that was taken is hidden: longer than to go through a full DLQ."""
_PIECE: Final = 100
_PATIENCE: Final = timedelta(minutes=1)


@dataclass
class DeadLetters:
    """The letters of a DLQ; see `instep.flow.redriving.Source`."""

    sqs: "SQSClient"
    url: str
    clock: Clock = utc_now
    _kept: list[str] = field(default_factory=list)

    def about(self) -> int:
        """Say how many letters SQS thinks there are."""
        with storage("count the letters of the DLQ"):
            answer = self.sqs.get_queue_attributes(
                QueueUrl=self.url, AttributeNames=["ApproximateNumberOfMessages"]
            )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def pieces(self) -> Generator[Sequence[Parcel], None, None]:
        """Take letters until there are none, or so many as there were, or none but those seen.

        In the end, whatever that is, what was kept is visible again.
        """
        left = self.about() or _PIECE  # SQS may not have counted yet what has just come
        seen: set[str] = set()
        try:
            while left > 0 and (letters := self._take(min(left, _PIECE))):
                new = [one for one in letters if one.message_id not in seen]
                seen.update(one.message_id for one in new)
                self._kept += [one.handle for one in letters if one not in new]
                yield [parcel_of(letter) for letter in new]
                left = left - len(new) if new else 0
        finally:
            hand_messages_back(self.sqs, self.url, self._kept, 0)

    def delete(self, parcels: Sequence[Parcel]) -> None:
        """Delete letters."""
        delete_messages(self.sqs, self.url, [parcel.name for parcel in parcels])

    def keep(self, parcels: Sequence[Parcel]) -> None:
        """Have letters visible again at the end, and not sooner: they would be taken again."""
        self._kept += [parcel.name for parcel in parcels]

    def _take(self, limit: int) -> Sequence[Delivery]:
        until: datetime = self.clock() + _PATIENCE
        return drain(self._receive, limit, until, self.clock, LONG_POLL).deliveries

    def _receive(self, wait: int) -> list[Delivery]:
        with storage("receive letters of the DLQ"):
            answer = self.sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=MESSAGES_PER_CALL,
                VisibilityTimeout=int(HIDDEN.total_seconds()),
                MessageAttributeNames=["All"],
                WaitTimeSeconds=wait,
            )
        return [delivery(message) for message in answer.get("Messages", [])]


def parcel_of(letter: Delivery) -> Parcel:
    """Return a letter's records as new messages; one that a message cannot hold stays."""
    messages = outgoing(unpack(letter), collection=letter.collection)
    too_large = any(message.is_too_large for message in messages)
    return Parcel(
        letter.handle,
        reason_of(letter.attributes),
        letter.collection,
        messages,
        problem=f"letter {letter.message_id} is larger than a message" if too_large else None,
    )
