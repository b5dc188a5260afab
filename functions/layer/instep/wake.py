"""The wake flag: of all who queue work, only who flips it starts an execution, which holds it while
it drains and clears it before its last look into the inbox.

The rule is docs/design.md, "Starts are coalesced". The flag carries its time and stops counting
after `EXPIRY`, so that a process that died with it set blocks nobody for longer; until then the
schedule is the backstop.
"""

import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from instep.aws_errors import storage
from instep.clock import Clock, utc_now
from instep.errors import StorageUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient

EXPIRY: Final = timedelta(seconds=60)
SOURCE: Final = "instep"
STREAM_BATCH_QUEUED: Final = "Stream Batch Queued"
_KEY: Final = "#wake"  # beside the leases; no collection can be named so


class WakeFlag:
    """One item of the lock table."""

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock = utc_now) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def flip(self) -> bool:
        """Set the flag; True for the one caller who found it clear (or older than EXPIRY)."""
        now = self._now()
        try:
            with storage("flip the wake flag"):
                self._client.update_item(
                    TableName=self._table,
                    Key={"collection": {"S": _KEY}},
                    ConditionExpression="attribute_not_exists(flipped_at) OR flipped_at < :stale",
                    UpdateExpression="SET flipped_at = :now",
                    ExpressionAttributeValues={
                        ":now": {"N": str(now)},
                        ":stale": {"N": str(now - int(EXPIRY.total_seconds()))},
                    },
                )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def hold(self) -> None:
        """Set the flag, whatever it was: who queues work now need start nothing."""
        with storage("hold the wake flag"):
            self._client.update_item(
                TableName=self._table,
                Key={"collection": {"S": _KEY}},
                UpdateExpression="SET flipped_at = :now",
                ExpressionAttributeValues={":now": {"N": str(self._now())}},
            )

    def clear(self) -> None:
        """Clear the flag: whatever is queued from now on needs a start of its own."""
        with storage("clear the wake flag"):
            self._client.update_item(
                TableName=self._table,
                Key={"collection": {"S": _KEY}},
                UpdateExpression="REMOVE flipped_at",
            )

    def _now(self) -> Decimal:
        return Decimal(round(self._clock().timestamp() * 1000)) / 1000


class Starter:
    """Announces queued work on the event bus, once until an execution has begun to drain."""

    def __init__(self, flag: WakeFlag, client: "EventBridgeClient", bus: str) -> None:
        self._flag = flag
        self._client = client
        self._bus = bus

    def announce(self, records: int) -> bool:
        """Put the event if the flag was clear; say whether it was.

        Raises StorageUnavailable when no start could be announced, for whatever reason. The flag
        is clear again then, and what was queued waits for the next announcement or the schedule.
        """
        if not self._flag.flip():
            return False
        try:
            with storage("announce queued work"):
                answer = self._client.put_events(
                    Entries=[
                        {
                            "EventBusName": self._bus,
                            "Source": SOURCE,
                            "DetailType": STREAM_BATCH_QUEUED,
                            "Detail": json.dumps({"records": records}),
                        }
                    ]
                )
        except (ClientError, StorageUnavailable) as error:
            self._flag.clear()
            raise StorageUnavailable(f"announce queued work: {error}") from error
        if answer["FailedEntryCount"]:
            self._flag.clear()
            code = answer["Entries"][0].get("ErrorCode", "unknown")
            raise StorageUnavailable(f"announce queued work: the bus answered {code}")
        return True
