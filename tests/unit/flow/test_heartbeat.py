"""The heartbeat: what must live as long as the work does is kept alive, each by itself."""

from collections.abc import Callable
from datetime import timedelta
from threading import Event

import pytest
from botocore.exceptions import ClientError

from instep.errors import LeaseLost, StorageUnavailable
from instep.flow.heartbeat import Heartbeat
from instep.flow.lease import Lease, LeaseTable
from tests.unit.flow.conftest import MINUTES, Hands

DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "UpdateItem")


class Beats:
    """Something kept alive that lets a test wait for a beat that came after `outages`."""

    def __init__(self, *outages: Exception, act: Callable[[], object] = lambda: None) -> None:
        self.act, self.outages, self.begun = act, list(outages), Event()

    def __call__(self) -> None:
        if self.outages:
            raise self.outages.pop(0)
        self.begun.set()
        self.act()

    def beats_on(self) -> bool:
        """Wait for two beats from now on: one may have begun before."""
        for _ in range(2):
            self.begun.clear()
            if not self.begun.wait(10):
                return False
        return True


class Renewals(Beats):
    """A lease table whose renewals are such beats."""

    def __init__(self, leases: LeaseTable, *outages: Exception) -> None:
        super().__init__(*outages)
        self.leases = leases

    def renew(self, lease: Lease) -> Lease:
        self()
        return self.leases.renew(lease)


def beating(beats: Renewals, lease: Lease, *also: Beats) -> Heartbeat:
    return Heartbeat(beats, lease, timedelta(milliseconds=1), also)  # type: ignore[arg-type]


@pytest.fixture
def lease(leases: LeaseTable) -> Lease:
    return leases.acquire("words", "first", "pass 1")


@pytest.mark.domain("wrong-lock")
def test_a_heartbeat_renews_while_work_goes_on(
    leases: LeaseTable, lease: Lease, clock: Hands
) -> None:
    clock.move(minutes=4)
    beats = Renewals(leases, StorageUnavailable("a throttle is left to the next beat"))
    with beating(beats, lease) as heartbeat:
        assert beats.begun.wait(10)
        heartbeat.check()
    assert heartbeat.lease.expires_at == clock() + MINUTES


def test_leaving_the_block_tells_that_the_lease_was_lost(
    leases: LeaseTable, lease: Lease, clock: Hands
) -> None:
    clock.move(minutes=6)
    leases.acquire("words", "second", "pass 2")
    beats = Renewals(leases)
    with pytest.raises(LeaseLost), beating(beats, lease):
        assert beats.begun.wait(10)


def test_an_error_of_the_work_is_not_hidden_by_a_lost_lease(
    leases: LeaseTable, lease: Lease
) -> None:
    leases.release(lease)
    beats = Renewals(leases)

    def work() -> None:
        with beating(beats, lease):
            assert beats.begun.wait(10)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


def test_a_heartbeat_without_permission_ends_the_work(leases: LeaseTable, lease: Lease) -> None:
    with pytest.raises(ClientError):
        work_until_told(beating(Renewals(leases, DENIED), lease))


def test_what_else_must_live_beats_along(leases: LeaseTable, lease: Lease) -> None:
    """An outage of one is left to its next beat, and keeps none of the others from its own."""
    runner, other = Beats(StorageUnavailable("throttled")), Beats()
    beats = Renewals(leases, StorageUnavailable("throttled"))
    with beating(beats, lease, runner, other) as heartbeat:
        assert all(one.begun.wait(10) for one in (beats, runner, other))
        heartbeat.check()


def test_what_else_must_live_outlives_a_lost_lease_until_the_work_is_over(
    leases: LeaseTable, lease: Lease
) -> None:
    """The work goes on until it looks, and its execution is the runner meanwhile."""
    leases.release(lease)
    beats, runner = Renewals(leases), Beats()
    with pytest.raises(LeaseLost), beating(beats, lease, runner):
        assert runner.beats_on()


def test_a_denied_beat_beside_the_lease_ends_the_work(leases: LeaseTable, lease: Lease) -> None:
    with pytest.raises(ClientError):
        work_until_told(beating(Renewals(leases), lease, Beats(DENIED)))


def test_a_lease_is_renewed_though_what_beats_beside_it_is_denied(
    leases: LeaseTable, lease: Lease
) -> None:
    beats = Renewals(leases)
    with pytest.raises(ClientError), beating(beats, lease, Beats(DENIED)):
        assert beats.beats_on()


def work_until_told(heartbeat: Heartbeat) -> None:
    """Work until the heartbeat says that there is no use."""
    pause = Event()
    with heartbeat:
        while True:
            heartbeat.check()
            pause.wait(0.01)
