"""Lock phase 1: one DynamoDB item a collection, a lease that expires and a token that only grows.

The rule is docs/design.md, "Two-phase lock". The lease makes conflicts rare; safety is HEAD's
compare-and-swap and the fencing token, so no clock here has to be right: a lease that expired
but was not taken is still its owner's, and whoever takes one makes every older token stale.

A call of a function may outlive the state that made it, so a second try may run beside the first.
Each pass over a collection therefore names its `request`, and the item remembers the last one that
took the lease, also when it is free: all tries of a pass get the same token, one that comes when
the pass is over takes nothing, and each frees its own pass's lease alone. (One that comes when the
next pass is over too finds another's request and takes what nobody uses, until it expires.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from instep.aws.aws_errors import storage
from instep.aws.epoch import epoch, instant
from instep.clock import Clock, utc_now
from instep.errors import LeaseLost, LockBusy

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_OWNER: Final = {"#owner": "owner"}
_TOKEN: Final = {"#token": "fencing_token"}
_EXPIRES: Final = {"#expires": "expires_at"}
_REQUEST: Final = {"#request": "request"}
_CONDITION_FAILED: Final = "ConditionalCheckFailedException"


@dataclass(frozen=True)
class Lease:
    """The right of `owner` to work on `collection` until `expires_at` (UTC)."""

    collection: str
    owner: str
    fencing_token: int
    expires_at: datetime
    taken_from: str | None = None  # whose expired lease this one replaced

    def to_payload(self) -> dict[str, Any]:
        """Return the lease as the JSON one state hands the next."""
        return {
            "collection": self.collection,
            "owner": self.owner,
            "fencing_token": self.fencing_token,
            "expires_at": self.expires_at.isoformat(),
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "Lease":
        """Read what `to_payload` wrote."""
        return cls(
            collection=payload["collection"],
            owner=payload["owner"],
            fencing_token=payload["fencing_token"],
            expires_at=datetime.fromisoformat(payload["expires_at"]),
        )


@dataclass(frozen=True)
class LeaseState:
    """What the lock table says of a collection; `owner` is None while nobody holds it.

    `request` is the last that took it, whoever holds it now.
    """

    collection: str
    owner: str | None
    fencing_token: int
    acquired_at: datetime | None
    expires_at: datetime | None
    request: str | None


class LeaseTable:
    """The leases of every collection, in one table keyed by `collection`."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        duration: timedelta,
        clock: Clock = utc_now,
    ) -> None:
        self._client = client
        self._table = table
        self._duration = duration
        self._clock = clock

    def acquire(self, collection: str, owner: str, request: str) -> Lease:
        """Take the lease for `request`, with a new fencing token; asked again, return that lease.

        The owner itself may take it for another request: what an earlier one of its own left.
        Raises LockBusy while another's lease has not expired, LeaseLost when this request had the
        lease and it was released since, and StorageUnavailable.
        """
        now = self._clock()
        expires_at = now + self._duration
        free = "attribute_not_exists(#owner)"
        mine = "#owner = :owner"
        expired = "#expires < :now"
        try:
            with storage(f"{collection}: acquire the lease"):
                answer = self._client.update_item(
                    TableName=self._table,
                    Key={"collection": {"S": collection}},
                    ConditionExpression=(
                        f"({free} OR {mine} OR {expired}) AND NOT #request = :request"
                    ),
                    UpdateExpression=(
                        "SET #owner = :owner, #expires = :expires, acquired_at = :now, "
                        "#request = :request ADD #token :one"
                    ),
                    ExpressionAttributeNames={**_OWNER, **_TOKEN, **_EXPIRES, **_REQUEST},
                    ExpressionAttributeValues={
                        ":owner": {"S": owner},
                        ":request": {"S": request},
                        ":expires": epoch(expires_at),
                        ":now": epoch(now),
                        ":one": {"N": "1"},
                    },
                    ReturnValues="ALL_OLD",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ClientError as error:
            if error.response["Error"]["Code"] != _CONDITION_FAILED:
                raise
            return _taken_before(_refused_by(collection, error), owner, request, now)
        before = _state(collection, answer.get("Attributes", {}))
        taken_from = before.owner if before.owner != owner else None
        return Lease(collection, owner, before.fencing_token + 1, expires_at, taken_from)

    def renew(self, lease: Lease) -> Lease:
        """Return the lease with a later expiry; LeaseLost when another took it or it was freed."""
        expires_at = self._clock() + self._duration
        try:
            with storage(f"{lease.collection}: renew the lease"):
                self._client.update_item(
                    TableName=self._table,
                    Key={"collection": {"S": lease.collection}},
                    ConditionExpression="#owner = :owner AND #token = :token",
                    UpdateExpression="SET #expires = :expires",
                    ExpressionAttributeNames={**_OWNER, **_TOKEN, **_EXPIRES},
                    ExpressionAttributeValues={
                        ":owner": {"S": lease.owner},
                        ":token": {"N": str(lease.fencing_token)},
                        ":expires": epoch(expires_at),
                    },
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ClientError as error:
            if error.response["Error"]["Code"] != _CONDITION_FAILED:
                raise
            raise _lost(lease, _refused_by(lease.collection, error)) from error
        return Lease(lease.collection, lease.owner, lease.fencing_token, expires_at)

    def confirm(self, lease: Lease) -> None:
        """Return when owner and token are still the lease's; raise LeaseLost otherwise.

        The clock is not asked: an expired lease that nobody took is no danger, and one that
        somebody took has another token.
        """
        found = self.read(lease.collection)
        if found is None or (found.owner, found.fencing_token) != (
            lease.owner,
            lease.fencing_token,
        ):
            raise _lost(lease, found)

    def release(self, lease: Lease) -> LeaseState | None:
        """Clear the owner and keep token and request, if owner and token are still the lease's.

        Returns the state that was cleared, or None when the lease was not (or no longer) ours.
        """
        token = {"N": str(lease.fencing_token)}
        return self._free(lease.collection, lease.owner, "#token = :mine", _TOKEN, token)

    def release_unanswered(self, collection: str, owner: str, request: str) -> LeaseState | None:
        """Clear what an acquire of this request has taken though nobody heard of it; see `release`.

        Without a token only the request can tell it from a later lease of the same owner.
        """
        return self._free(collection, owner, "#request = :mine", _REQUEST, {"S": request})

    def _free(
        self, collection: str, owner: str, condition: str, name: dict[str, str], mine: Any
    ) -> LeaseState | None:
        try:
            with storage(f"{collection}: release the lease"):
                answer = self._client.update_item(
                    TableName=self._table,
                    Key={"collection": {"S": collection}},
                    ConditionExpression=f"#owner = :owner AND {condition}",
                    UpdateExpression="REMOVE #owner, #expires, acquired_at",
                    ExpressionAttributeNames={**_OWNER, **_EXPIRES, **name},
                    ExpressionAttributeValues={":owner": {"S": owner}, ":mine": mine},
                    ReturnValues="ALL_OLD",
                )
        except ClientError as error:
            if error.response["Error"]["Code"] != _CONDITION_FAILED:
                raise
            return None
        return _state(collection, answer["Attributes"])

    def release_all(self, owner: str) -> list[str]:
        """Release whatever an owner holds that will never release it; return which.

        Safe while a process of it still runs: the next lease has a younger token.
        """
        with storage("find the leases of an execution that ended"):
            found = self._client.scan(
                TableName=self._table,
                FilterExpression="#owner = :owner",
                ExpressionAttributeNames=_OWNER,
                ExpressionAttributeValues={":owner": {"S": owner}},
                ConsistentRead=True,
            )
        held = [_state(item["collection"]["S"], item) for item in found["Items"]]
        leases = [
            Lease(one.collection, owner, one.fencing_token, one.expires_at or self._clock())
            for one in held
        ]
        return [lease.collection for lease in leases if self.release(lease) is not None]

    def read(self, collection: str) -> LeaseState | None:
        """Return what the table says now (strongly consistent), None for an unknown collection."""
        with storage(f"{collection}: read the lease"):
            answer = self._client.get_item(
                TableName=self._table, Key={"collection": {"S": collection}}, ConsistentRead=True
            )
        return _state(collection, answer["Item"]) if "Item" in answer else None


def _state(collection: str, item: Mapping[str, Any]) -> LeaseState:
    return LeaseState(
        collection=collection,
        owner=item["owner"]["S"] if "owner" in item else None,
        fencing_token=int(item["fencing_token"]["N"]) if "fencing_token" in item else 0,
        acquired_at=instant(item.get("acquired_at")),
        expires_at=instant(item.get("expires_at")),
        request=item["request"]["S"] if "request" in item else None,
    )


def _refused_by(collection: str, error: ClientError) -> LeaseState:
    """Return the item that refused a conditional write; the answer carries it, sparing a read."""
    answer: Mapping[str, Any] = error.response
    return _state(collection, answer.get("Item", {}))


def _taken_before(found: LeaseState, owner: str, request: str, now: datetime) -> Lease:
    """Return the lease an earlier try of this request got; what stands there tells if it did."""
    if found.request != request:
        raise LockBusy(found.collection, found.owner or "nobody", found.expires_at or now)
    if found.owner != owner:
        raise LeaseLost(found.collection, owner, "it was released")
    return Lease(found.collection, owner, found.fencing_token, found.expires_at or now)


def _lost(lease: Lease, found: LeaseState | None) -> LeaseLost:
    if found is None or found.owner is None:
        return LeaseLost(lease.collection, lease.owner, "it was released")
    return LeaseLost(
        lease.collection,
        lease.owner,
        f"{found.owner} holds it with token {found.fencing_token}, ours was {lease.fencing_token}",
    )
