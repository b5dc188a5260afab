"""The lease: one owner at a time, an expiry, and a fencing token that only grows."""

from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from instep.errors import LeaseLost, LockBusy, StorageUnavailable
from instep.heartbeat import Heartbeat
from instep.lease import Lease, LeaseTable
from tests.support.aws import LOCKS, Services
from tests.unit.flow.conftest import Hands

MINUTES = timedelta(minutes=5)


@pytest.fixture
def leases(aws: Services, clock: Hands) -> LeaseTable:
    return LeaseTable(aws.dynamodb, LOCKS, MINUTES, clock)


def test_a_held_lease_is_busy_and_says_who_holds_it(leases: LeaseTable, clock: Hands) -> None:
    leases.acquire("words", "first")
    with pytest.raises(LockBusy, match="leased by first") as refused:
        leases.acquire("words", "second")
    assert refused.value.owner == "first"
    assert refused.value.expires_at == clock() + MINUTES


def test_collections_do_not_share_a_lease(leases: LeaseTable) -> None:
    leases.acquire("words", "first")
    assert leases.acquire("lines", "second").owner == "second"


def test_acquiring_again_after_a_crashed_answer_is_no_conflict_with_oneself(
    leases: LeaseTable,
) -> None:
    lost_answer = leases.acquire("words", "first")
    again = leases.acquire("words", "first")
    assert again.fencing_token > lost_answer.fencing_token
    assert again.taken_from is None
    leases.confirm(again)


def test_the_token_grows_over_release_and_takeover(leases: LeaseTable, clock: Hands) -> None:
    tokens = [leases.acquire("words", "first").fencing_token]
    leases.release("words", "first")
    tokens.append(leases.acquire("words", "second").fencing_token)
    clock.move(minutes=6)
    third = leases.acquire("words", "third")
    tokens.append(third.fencing_token)
    assert tokens == sorted(set(tokens))
    assert third.taken_from == "second"


def test_a_taken_lease_can_neither_be_renewed_nor_confirmed(
    leases: LeaseTable, clock: Hands
) -> None:
    old = leases.acquire("words", "first")
    clock.move(minutes=6)
    leases.acquire("words", "second")
    with pytest.raises(LeaseLost, match="second holds it"):
        leases.renew(old)
    with pytest.raises(LeaseLost, match="second holds it"):
        leases.confirm(old)


def test_a_released_lease_is_lost_to_who_still_works(leases: LeaseTable) -> None:
    lease = leases.acquire("words", "first")
    leases.release("words", "first")
    for act in (leases.renew, leases.confirm):
        with pytest.raises(LeaseLost, match="released"):
            act(lease)


def test_an_expired_lease_that_nobody_took_still_serves(leases: LeaseTable, clock: Hands) -> None:
    lease = leases.acquire("words", "first")
    clock.move(hours=3)
    leases.confirm(lease)
    renewed = leases.renew(lease)
    with pytest.raises(LockBusy):
        leases.acquire("words", "second")
    assert renewed.fencing_token == lease.fencing_token


def test_release_is_for_the_owner_only_and_keeps_item_and_token(leases: LeaseTable) -> None:
    lease = leases.acquire("words", "first")
    assert leases.release("words", "second") is None
    leases.confirm(lease)
    released = leases.release("words", "first")
    assert released is not None
    assert released.owner == "first"
    assert leases.release("words", "first") is None
    state = leases.read("words")
    assert state is not None
    assert (state.owner, state.fencing_token) == (None, lease.fencing_token)


def test_releasing_and_reading_what_never_was(leases: LeaseTable) -> None:
    assert leases.release("words", "first") is None
    assert leases.read("words") is None


def test_a_lease_edited_by_hand_is_lost(leases: LeaseTable, aws: Services) -> None:
    lease = leases.acquire("words", "first")
    aws.dynamodb.delete_item(TableName=LOCKS, Key={"collection": {"S": "words"}})
    with pytest.raises(LeaseLost):
        leases.confirm(lease)


def test_payload_round_trip(leases: LeaseTable) -> None:
    lease = leases.acquire("words", "first")
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
        lambda: leases.acquire("words", "first"),
        lambda: leases.renew(lease),
        lambda: leases.confirm(lease),
        lambda: leases.release("words", "first"),
    ):
        with pytest.raises(StorageUnavailable, match="lease"):
            act()


def test_a_missing_permission_is_no_outage() -> None:
    error = client_error("AccessDeniedException", 400)
    leases = LeaseTable(Refusing(error), LOCKS, MINUTES)  # type: ignore[arg-type]
    lease = Lease("words", "first", 1, Hands()())
    for act in (
        lambda: leases.acquire("words", "first"),
        lambda: leases.renew(lease),
        lambda: leases.release("words", "first"),
    ):
        with pytest.raises(ClientError):
            act()


class Beats:
    """A lease table that lets a test wait for renewals."""

    def __init__(self, leases: LeaseTable, *outages: Exception) -> None:
        self.leases, self.outages, self.begun = leases, list(outages), Event()

    def renew(self, lease: Lease) -> Lease:
        if self.outages:
            raise self.outages.pop(0)
        self.begun.set()
        return self.leases.renew(lease)


def heartbeat_over(beats: Beats, lease: Lease) -> Heartbeat:
    return Heartbeat(beats, lease, timedelta(milliseconds=1))  # type: ignore[arg-type]


@pytest.mark.domain("wrong-lock")
def test_a_heartbeat_renews_while_work_goes_on(leases: LeaseTable, clock: Hands) -> None:
    lease = leases.acquire("words", "first")
    clock.move(minutes=4)
    beats = Beats(leases, StorageUnavailable("a throttle is left to the next beat"))
    with heartbeat_over(beats, lease) as heartbeat:
        assert beats.begun.wait(10)
        heartbeat.check()
    assert heartbeat.lease.expires_at == clock() + MINUTES


def test_leaving_the_block_tells_that_the_lease_was_lost(leases: LeaseTable, clock: Hands) -> None:
    lease = leases.acquire("words", "first")
    clock.move(minutes=6)
    leases.acquire("words", "second")
    beats = Beats(leases)
    with pytest.raises(LeaseLost), heartbeat_over(beats, lease):
        assert beats.begun.wait(10)


def test_an_error_of_the_work_is_not_hidden_by_a_lost_lease(
    leases: LeaseTable,
) -> None:
    lease = leases.acquire("words", "first")
    leases.release("words", "first")
    beats = Beats(leases)

    def work() -> None:
        with heartbeat_over(beats, lease):
            assert beats.begun.wait(10)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


def test_a_heartbeat_without_permission_ends_the_work(leases: LeaseTable) -> None:
    lease = leases.acquire("words", "first")
    beats = Beats(leases, client_error("AccessDeniedException", 400))

    def work() -> None:
        with heartbeat_over(beats, lease) as heartbeat:
            while True:
                heartbeat.check()
                beats.begun.wait(0.01)

    with pytest.raises(ClientError):
        work()
