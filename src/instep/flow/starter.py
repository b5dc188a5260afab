"""Announces queued work on the event bus, when nobody drains the inbox (`instep.flow.runner`)."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from instep.aws.aws_errors import storage
from instep.errors import StorageUnavailable
from instep.flow.runner import RunnerTable

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE: Final = "instep"
STREAM_BATCH_QUEUED: Final = "Stream Batch Queued"


class Starter:
    """Whoever queues work says so here; of all of them one sends the event that starts a run."""

    def __init__(
        self, runner: RunnerTable, client: "EventBridgeClient", bus: str, stack: str
    ) -> None:
        self._runner = runner
        self._client = client
        self._bus = bus
        self._stack = stack

    def announce(self, records: int, caller: str, hidden: timedelta = timedelta(0)) -> bool:
        """Say that so many records are in the inbox, some `hidden` for a while; start a run if
        nobody drains, and say whether that was needed.

        `caller` is the same when the same work is tried again. Raises StorageUnavailable when no
        start could be announced, for whatever reason: then the caller has to try again.
        """
        start = self._runner.queue(records, caller, hidden)
        if start is not None:
            self.put(start, records)
        return start is not None

    def put(self, start: str, records: int = 0) -> None:
        """Put the event of a start; StorageUnavailable when it cannot be, for whatever reason.

        The start stays as it is: whoever appointed it is tried again and has it to announce.
        """
        detail = {"stack": self._stack, "records": records}  # others' rules hear this bus too
        try:
            with storage(f"announce {start}"):
                answer = self._client.put_events(
                    Entries=[
                        {
                            "EventBusName": self._bus,
                            "Source": SOURCE,
                            "DetailType": STREAM_BATCH_QUEUED,
                            "Detail": json.dumps(detail),
                        }
                    ]
                )
        except ClientError as error:
            raise StorageUnavailable(f"announce {start}: {error}") from error
        if answer["FailedEntryCount"]:
            code = answer["Entries"][0].get("ErrorCode", "unknown")
            raise StorageUnavailable(f"announce {start}: the bus answered {code}")
