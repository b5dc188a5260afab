"""A proxy between functions and cloud that notes every call for what AWS would bill it as."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from instep.clock import utc_now
from instep.costs.prices import chunks
from instep.local.fault_proxy import FaultProxy
from instep.local.wire import AwsCall

_READS = {"GetItem", "BatchGetItem", "Query", "Scan"}
_WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"}
_PUT_CLASS = {"PutObject", "CreateMultipartUpload", "ListObjectsV2"}
_FREE = {"DeleteObject", "DeleteObjects"}
_CAPACITY = "ReturnConsumedCapacity"


@dataclass(frozen=True)
class Use:
    """One call, made by a function (its deployed name) at an instant (epoch s): so many of `item`.

    `table` is a DynamoDB call's.
    """

    at: float
    function: str
    item: str
    amount: float
    table: str = ""


class CountingProxy(FaultProxy):
    """Counts what it passes on; DynamoDB is asked for the capacity of each call."""

    def __init__(self) -> None:
        super().__init__()
        self.uses: list[Use] = []

    def passed_on(self, call: AwsCall) -> bytes:
        """Return the body, asking for the capacity consumed."""
        if call.operation not in _READS | _WRITES:
            return call.body
        return json.dumps({**json.loads(call.body), _CAPACITY: "TOTAL"}).encode()

    def answered(self, call: AwsCall, answer: bytes) -> None:
        """Note what the call is billed as."""
        billed = billed_as(call, answer)
        if billed is not None:
            at, table = utc_now().timestamp(), _table(call)
            self.uses.append(Use(at, call.function, *billed, table))

    def used(self, since: float, until: float) -> list[Use]:
        """Return the calls answered from `since` up to `until`."""
        return [use for use in list(self.uses) if since <= use.at < until]


def total(uses: Iterable[Use], share: Callable[[Use], float] = lambda _: 1.0) -> dict[str, float]:
    """Sum the uses by item, each counted as the `share` given."""
    sums: dict[str, float] = {}
    for use in uses:
        sums[use.item] = sums.get(use.item, 0.0) + use.amount * share(use)
    return sums


def billed_as(call: AwsCall, answer: bytes) -> tuple[str, float] | None:
    """Return the item of `instep.costs.prices` and how many of it; None for what is free."""
    if call.service == "s3":
        if call.operation in _FREE:
            return None
        return ("s3_put" if call.operation in _PUT_CLASS else "s3_get"), 1
    if call.operation in _READS:
        return "dynamodb_read", _units(answer)
    if call.operation in _WRITES:
        return "dynamodb_write", _units(answer)
    if call.service == "sqs":
        return "sqs", chunks(max(len(call.body), len(answer)))
    if call.operation == "PutEvents":
        entries = json.loads(call.body)["Entries"]
        return "events", sum(chunks(len(json.dumps(entry))) for entry in entries)
    return None


def _units(answer: bytes) -> float:
    """Return the capacity units an answer names; a refused condition names none and costs one."""
    consumed: Any = json.loads(answer or b"{}").get("ConsumedCapacity")
    if consumed is None:
        return 1.0
    parts: list[Mapping[str, Any]] = consumed if isinstance(consumed, list) else [consumed]
    return float(sum(part["CapacityUnits"] for part in parts))


def _table(call: AwsCall) -> str:
    if call.operation not in _READS | _WRITES:
        return ""
    body = json.loads(call.body)
    named: str = body.get("TableName") or next(iter(body.get("RequestItems", {})), "")
    return named
