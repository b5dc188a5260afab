"""What is done with messages that one holds, by their handles: SQS takes ten at a time."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from instep.batched import batched
from instep.flow.calling import call_each
from instep.flow.outgoing import ENTRIES_PER_CALL

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import BatchResultErrorEntryTypeDef


def delete_messages(client: "SQSClient", queue_url: str, handles: Iterable[str]) -> None:
    """Acknowledge messages; those whose handle is no longer valid come back by themselves.

    StorageUnavailable, after all was tried, for what a retry can cure.
    """

    def delete(few: Sequence[str]) -> list["BatchResultErrorEntryTypeDef"]:
        answer = client.delete_message_batch(
            QueueUrl=queue_url,
            Entries=[{"Id": str(at), "ReceiptHandle": handle} for at, handle in enumerate(few)],
        )
        return answer.get("Failed", [])

    call_each("delete messages", delete, batched(handles, ENTRIES_PER_CALL))


def hand_messages_back(
    client: "SQSClient", queue_url: str, handles: Iterable[str], seconds: int
) -> None:
    """Make messages visible again in so many seconds; those that already are stay so."""

    def hand_back(few: Sequence[str]) -> list["BatchResultErrorEntryTypeDef"]:
        answer = client.change_message_visibility_batch(
            QueueUrl=queue_url,
            Entries=[
                {"Id": str(at), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
                for at, handle in enumerate(few)
            ],
        )
        return answer.get("Failed", [])

    call_each("hand messages back", hand_back, batched(handles, ENTRIES_PER_CALL))
