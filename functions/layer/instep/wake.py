"""The wake flag: of all who queue work, only who flips it starts an execution, which clears it.

The rule is docs/design.md, "Starts are coalesced". The flag carries its time and stops counting
after `EXPIRY`, so that a process that died between the flip and its event blocks nobody for
longer; until then the schedule is the backstop.
"""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from instep.aws_errors import storage
from instep.clock import Clock, utc_now

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

EXPIRY: Final = timedelta(seconds=60)
_KEY: Final = "#wake"  # beside the leases; no collection can be named so


class WakeFlag:
    """One item of the lock table."""

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock = utc_now) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def flip(self) -> bool:
        """Set the flag; True for the one caller who found it clear (or older than EXPIRY)."""
        now = Decimal(round(self._clock().timestamp() * 1000)) / 1000
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

    def clear(self) -> None:
        """Clear the flag: whatever is queued from now on needs a start of its own."""
        with storage("clear the wake flag"):
            self._client.update_item(
                TableName=self._table,
                Key={"collection": {"S": _KEY}},
                UpdateExpression="REMOVE flipped_at",
            )
