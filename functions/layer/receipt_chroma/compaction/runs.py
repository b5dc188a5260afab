"""COMPACTION_RUN written back: PROCESSING, COMPLETED, FAILED, or PENDING again (docs/domain.md).

Every write is conditional: a run that was deleted is never resurrected, and COMPLETED is never
taken back. FAILED is final for those who wait, so it is written only when the message goes to the
DLQ.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from instep.aws_errors import storage
from instep.clock import Clock, utc_now
from receipt_chroma.compaction.identity import ItemKey, ReceiptId

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PENDING: Final = "PENDING"
PROCESSING: Final = "PROCESSING"
COMPLETED: Final = "COMPLETED"
FAILED: Final = "FAILED"

_LONGEST_ERROR: Final = 1000


@dataclass(frozen=True)
class RunId:
    """One COMPACTION_RUN: its receipt and its own id."""

    receipt: ReceiptId
    run_id: str

    @property
    def key(self) -> ItemKey:
        """The key of the run's item."""
        return self.receipt.key(f"#COMPACTION_RUN#{self.run_id}")


class RunTable:
    """The run items of one table. A collection is `lines` or `words`; times are ISO 8601, UTC.

    Each verb returns whether the run was there to be written; StorageUnavailable goes up.
    """

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock = utc_now) -> None:
        self._client, self._table, self._clock = client, table, clock

    def start(self, run: RunId, collection: str) -> str | None:
        """Write PROCESSING and return the time written; None when deleted or already COMPLETED."""
        now = self._clock().isoformat()
        written = self._write(run, collection, {"state": PROCESSING, "started_at": now})
        return now if written else None

    def complete(self, run: RunId, collection: str, merged_vectors: int) -> bool:
        """Write COMPLETED with the count; only after the version with the vectors is published."""
        now = self._clock().isoformat()
        fields: dict[str, str | int] = {
            "state": COMPLETED,
            "finished_at": now,
            "merged_vectors": merged_vectors,
        }
        return self._write(run, collection, fields, unless=None)

    def fail(self, run: RunId, collection: str, reason: str) -> bool:
        """Write FAILED with the reason; only when the message has gone to the DLQ."""
        fields = {
            "state": FAILED,
            "finished_at": self._clock().isoformat(),
            "error": reason[:_LONGEST_ERROR],
        }
        return self._write(run, collection, fields)

    def postpone(self, run: RunId, collection: str) -> bool:
        """Write PENDING again: the merge did not get through and will be tried once more."""
        return self._write(run, collection, {"state": PENDING})

    def _write(
        self,
        run: RunId,
        collection: str,
        fields: Mapping[str, str | int],
        *,
        unless: str | None = COMPLETED,
    ) -> bool:
        names = {f"#{name}": f"{collection}_{name}" for name in (*fields, "error")}
        values: dict[str, Any] = {
            f":{name}": {"N": str(value)} if isinstance(value, int) else {"S": value}
            for name, value in fields.items()
        }
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in fields)
        if "error" not in fields:
            expression += " REMOVE #error"
        condition = "attribute_exists(PK)"
        if unless is not None:
            condition += " AND (attribute_not_exists(#state) OR #state <> :unless)"
            values[":unless"] = {"S": unless}
        try:
            with storage(f"UpdateItem {run.run_id}"):
                self._client.update_item(
                    TableName=self._table,
                    Key={"PK": {"S": run.key.pk}, "SK": {"S": run.key.sk}},
                    UpdateExpression=expression,
                    ConditionExpression=condition,
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues=values,
                )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True
