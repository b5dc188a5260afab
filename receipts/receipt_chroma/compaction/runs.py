"""COMPACTION_RUN written back: PROCESSING, COMPLETED, FAILED, or PENDING again (docs/domain.md).

Every write is conditional: a run that was deleted is never resurrected, and COMPLETED is never
taken back. FAILED is final for those who wait, so it is written only when the message goes to the
DLQ. Beside them a run keeps when it was announced, by which runs are put in order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from instep.aws.aws_errors import storage
from instep.clock import Clock, utc_now
from receipt_chroma.compaction.attributes import Item, text
from receipt_chroma.compaction.identity import ItemKey, ReceiptId

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PENDING: Final = "PENDING"
PROCESSING: Final = "PROCESSING"
COMPLETED: Final = "COMPLETED"
FAILED: Final = "FAILED"

_LONGEST_ERROR: Final = 16_000  # characters: some hundred refused records, each with its reason


@dataclass(frozen=True)
class RunId:
    """One COMPACTION_RUN: its receipt and its own id."""

    receipt: ReceiptId
    run_id: str

    @property
    def key(self) -> ItemKey:
        """The key of the run's item."""
        return self.receipt.key(f"#COMPACTION_RUN#{self.run_id}")


@dataclass(frozen=True)
class Run:
    """What the table says of a run in one collection; `merged_vectors` is 0 before it is known."""

    id: RunId
    state: str | None
    prefix: str | None
    announced_at: str | None
    merged_vectors: int

    @classmethod
    def of(cls, receipt: ReceiptId, item: Item, collection: str) -> "Run":
        """Read a COMPACTION_RUN item of a receipt."""
        run_id = item["SK"]["S"].partition("#COMPACTION_RUN#")[2]
        return cls(
            RunId(receipt, run_id),
            text(item, f"{collection}_state"),
            text(item, f"{collection}_delta_prefix"),
            text(item, f"{collection}_announced_at"),
            int(float(item.get(f"{collection}_merged_vectors", {}).get("N", 0))),
        )

    @property
    def is_merged(self) -> bool:
        """Say whether vectors of it are published: those of its records that were not refused."""
        return self.state == COMPLETED or self.merged_vectors > 0


class RunTable:
    """The run items of one table. A collection is `lines` or `words`; times are ISO 8601, UTC.

    Each verb returns whether the run was there to be written; StorageUnavailable goes up.
    """

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock = utc_now) -> None:
        self._client, self._table, self._clock = client, table, clock

    def start(self, run: RunId, collection: str, announced_at: str | None = None) -> str | None:
        """Write PROCESSING and return the time written; None when deleted or already COMPLETED.

        `announced_at` is the stream's time of the run's INSERT; the first one known is kept.
        """
        now = self._clock().isoformat()
        fields = {"state": PROCESSING, "started_at": now}
        once = {"announced_at": announced_at} if announced_at else {}
        return now if self._write(run, collection, fields, once=once) else None

    def complete(self, run: RunId, collection: str, merged_vectors: int) -> bool:
        """Write COMPLETED with the count; only after the version with the vectors is published."""
        now = self._clock().isoformat()
        fields: dict[str, str | int] = {
            "state": COMPLETED,
            "finished_at": now,
            "merged_vectors": merged_vectors,
        }
        return self._write(run, collection, fields, unless=None)

    def count(self, run: RunId, collection: str, merged_vectors: int) -> bool:
        """Write the count of a run that fails for other records; as `complete`, after publish."""
        fields = {"merged_vectors": merged_vectors}
        return self._write(run, collection, fields, clears_error=False)

    def fail(self, run: RunId, collection: str, reason: str) -> bool:
        """Write FAILED with the reason; only when the message has gone to the DLQ."""
        fields = {
            "state": FAILED,
            "finished_at": self._clock().isoformat(),
            "error": reason[:_LONGEST_ERROR],
        }
        return self._write(run, collection, fields, clears_error=False)

    def postpone(self, run: RunId, collection: str) -> bool:
        """Write PENDING again: the merge did not get through and will be tried once more."""
        return self._write(run, collection, {"state": PENDING})

    def _write(
        self,
        run: RunId,
        collection: str,
        fields: Mapping[str, str | int],
        *,
        once: Mapping[str, str] | None = None,
        unless: str | None = COMPLETED,
        clears_error: bool = True,
    ) -> bool:
        """Set `fields`, and those of `once` that the item does not have yet."""
        kept = once or {}
        used = [*fields, *kept, *["state"] * bool(unless), *["error"] * clears_error]
        names = {f"#{name}": f"{collection}_{name}" for name in used}
        values: dict[str, Any] = {
            f":{name}": {"N": str(value)} if isinstance(value, int) else {"S": value}
            for name, value in {**fields, **kept}.items()
        }
        sets = [f"#{name} = :{name}" for name in fields]
        sets += [f"#{name} = if_not_exists(#{name}, :{name})" for name in kept]
        expression = f"SET {', '.join(sets)}"
        if clears_error:
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
