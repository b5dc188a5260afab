"""The lease: one owner at a time, an expiry, and a fencing token that only grows."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from instep.errors import LeaseLost, LockBusy, StorageUnavailable
from instep.flow.lease import Lease, LeaseTable
from tests.support.aws import LOCKS, Services
from tests.unit.flow.conftest import MINUTES, Hands


def acquire(leases: LeaseTable, owner: str) -> Lease:
    """Take the lease for a pass of its own."""
    return leases.acquire("words", owner, uuid4().hex)


def test_a_held_lease_is_busy_and_says_who_holds_it(leases: LeaseTable, clock: Hands) -> None:
    acquire(leases, "first")
    with pytest.raises(LockBusy, match="leased by first") as refused:
        acquire(leases, "second")
    assert refused.value.owner == "first"
    assert refused.value.expires_at == clock() + MINUTES


def test_collections_do_not_share_a_lease(leases: LeaseTable) -> None:
    acquire(leases, "first")
    assert leases.acquire("lines", "second", "pass 2").owner == "second"


def test_a_second_try_of_a_request_gets_the_lease_of_the_first(
    leases: LeaseTable, clock: Hands
) -> None:
    """Whichever comes first: a try that was paused takes nothing from the one that is used."""
    used = leases.acquire("words", "first", "pass 1")
    clock.move(minutes=1)
    assert leases.acquire("words", "first", "pass 1") == used
    clock.move(hours=1)
    assert leases.acquire("words", "first", "pass 1") == used, "expired, and nobody took it"
    leases.confirm(used)


def test_the_next_pass_takes_what_an_earlier_one_of_its_own_left(leases: LeaseTable) -> None:
    left = leases.acquire("words", "first", "pass 1")
    taken = leases.acquire("words", "first", "pass 2")
    assert taken.fencing_token > left.fencing_token
    assert taken.taken_from is None
    with pytest.raises(LeaseLost):
        leases.confirm(left)


def test_a_paused_first_try_never_frees_the_lease_of_a_later_pass(leases: LeaseTable) -> None:
    earlier = leases.acquire("words", "first", "pass 1")
    assert leases.release(earlier) is not None
    later = leases.acquire("words", "first", "pass 2")
    assert leases.release(earlier) is None
    assert leases.release_unanswered("words", "first", "pass 1") is None
    leases.confirm(later)


def test_what_an_acquire_without_an_answer_has_taken_is_freed_by_its_request(
    leases: LeaseTable,
) -> None:
    assert leases.release_unanswered("words", "first", "pass 1") is None, "it took nothing"
    leases.acquire("words", "first", "pass 1")
    assert leases.release_unanswered("words", "second", "pass 1") is None
    released = leases.release_unanswered("words", "first", "pass 1")
    assert released is not None
    assert released.owner == "first"
    acquire(leases, "second")


def test_a_try_that_comes_after_its_pass_takes_nothing(leases: LeaseTable) -> None:
    """Nobody would give back what it took: everybody would wait until that expires."""
    leases.release(leases.acquire("words", "first", "pass 1"))
    with pytest.raises(LeaseLost, match="it was released"):
        leases.acquire("words", "first", "pass 1")
    acquire(leases, "second")


def test_an_item_from_before_there_were_requests_is_taken_and_busy(
    leases: LeaseTable, aws: Services, clock: Hands
) -> None:
    aws.dynamodb.put_item(
        TableName=LOCKS,
        Item={
            "collection": {"S": "words"},
            "owner": {"S": "old"},
            "fencing_token": {"N": "7"},
            "expires_at": {"N": str(int(clock().timestamp()))},
        },
    )
    with pytest.raises(LockBusy, match="leased by old"):
        acquire(leases, "first")
    clock.move(minutes=1)
    assert acquire(leases, "first").fencing_token == 8


def test_the_token_grows_over_release_and_takeover(leases: LeaseTable, clock: Hands) -> None:
    first = acquire(leases, "first")
    leases.release(first)
    tokens = [first.fencing_token, acquire(leases, "second").fencing_token]
    clock.move(minutes=6)
    third = acquire(leases, "third")
    tokens.append(third.fencing_token)
    assert tokens == sorted(set(tokens))
    assert third.taken_from == "second"


def test_a_taken_lease_can_neither_be_renewed_nor_confirmed(
    leases: LeaseTable, clock: Hands
) -> None:
    old = acquire(leases, "first")
    clock.move(minutes=6)
    acquire(leases, "second")
    with pytest.raises(LeaseLost, match="second holds it"):
        leases.renew(old)
    with pytest.raises(LeaseLost, match="second holds it"):
        leases.confirm(old)


def test_a_released_lease_is_lost_to_who_still_works(leases: LeaseTable) -> None:
    lease = acquire(leases, "first")
    leases.release(lease)
    for act in (leases.renew, leases.confirm):
        with pytest.raises(LeaseLost, match="released"):
            act(lease)


def test_an_expired_lease_that_nobody_took_still_serves(leases: LeaseTable, clock: Hands) -> None:
    lease = acquire(leases, "first")
    clock.move(hours=3)
    leases.confirm(lease)
    renewed = leases.renew(lease)
    with pytest.raises(LockBusy):
        acquire(leases, "second")
    assert renewed.fencing_token == lease.fencing_token


def test_release_is_for_the_owner_only_and_keeps_item_and_token(leases: LeaseTable) -> None:
    lease = acquire(leases, "first")
    assert leases.release(replace(lease, owner="second")) is None
    leases.confirm(lease)
    released = leases.release(lease)
    assert released is not None
    assert released.owner == "first"
    assert leases.release(lease) is None
    state = leases.read("words")
    assert state is not None
    assert (state.owner, state.fencing_token) == (None, lease.fencing_token)


def test_releasing_and_reading_what_never_was(leases: LeaseTable, clock: Hands) -> None:
    assert leases.release(Lease("words", "first", 1, clock())) is None
    assert leases.read("words") is None


def test_a_lease_edited_by_hand_is_lost(leases: LeaseTable, aws: Services) -> None:
    lease = acquire(leases, "first")
    aws.dynamodb.delete_item(TableName=LOCKS, Key={"collection": {"S": "words"}})
    with pytest.raises(LeaseLost):
        leases.confirm(lease)


def test_payload_round_trip(leases: LeaseTable) -> None:
    lease = acquire(leases, "first")
    assert Lease.from_payload(lease.to_payload()) == lease


class Refusing:
    """A client whose every call ends in one error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        def refuse(**_: object) -> None:
            raise self.error

        return refuse


def client_error(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "UpdateItem",
    )


@pytest.mark.parametrize(
    "error",
    [
        client_error("ProvisionedThroughputExceededException", 400),
        client_error("InternalServerError", 500),
        EndpointConnectionError(endpoint_url="http://127.0.0.1"),
    ],
)
def test_what_a_retry_can_cure_is_storage_unavailable(error: Exception) -> None:
    leases = LeaseTable(Refusing(error), LOCKS, MINUTES)  # type: ignore[arg-type]
    lease = Lease("words", "first", 1, Hands()())
    for act in (
        lambda: acquire(leases, "first"),
        lambda: leases.renew(lease),
        lambda: leases.confirm(lease),
        lambda: leases.release(lease),
        lambda: leases.release_unanswered("words", "first", "pass 1"),
    ):
        with pytest.raises(StorageUnavailable, match="lease"):
            act()


def test_a_missing_permission_is_no_outage() -> None:
    error = client_error("AccessDeniedException", 400)
    leases = LeaseTable(Refusing(error), LOCKS, MINUTES)  # type: ignore[arg-type]
    lease = Lease("words", "first", 1, Hands()())
    for act in (
        lambda: acquire(leases, "first"),
        lambda: leases.renew(lease),
        lambda: leases.release(lease),
        lambda: leases.release_unanswered("words", "first", "pass 1"),
    ):
        with pytest.raises(ClientError):
            act()
