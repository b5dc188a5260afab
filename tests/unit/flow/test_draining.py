"""When a drain ends: an idle one after its long poll, a small one after one request more, a large
one at its limits or when the queue has nothing more to give at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.errors import StorageUnavailable
from instep.flow.draining import MESSAGES_PER_CALL, Drained, drain
from instep.flow.envelope import Delivery
from tests.unit.flow.conftest import Hands


@dataclass
class Servers:
    """A queue's servers: a long poll asks all of them, a short poll the one whose turn it is."""

    held: list[list[str]]
    body: str = "{}"
    waits: list[int] = field(default_factory=list)
    fails_at: int | None = None
    _guard: Lock = field(default_factory=Lock)

    def receive(self, wait: int) -> Sequence[Delivery]:
        with self._guard:
            self.waits.append(wait)
            if len(self.waits) - 1 == self.fails_at:
                raise StorageUnavailable("SQS is down")
            turn = len(self.waits) % len(self.held)
            asked = self.held if wait else [self.held[turn]]
            taken: list[str] = []
            for server in asked:
                while server and len(taken) < MESSAGES_PER_CALL:
                    taken.append(server.pop())
            return [Delivery(name, f"h-{name}", self.body, {}, 0) for name in taken]

    @property
    def left(self) -> int:
        return sum(map(len, self.held))


def drained(servers: Servers, limit: int = 2000, seconds: float = 20) -> Drained:
    clock = Hands()
    return drain(servers.receive, limit, clock() + timedelta(seconds=seconds), clock, wait=1)


def messages(count: int, servers: int = 1) -> list[list[str]]:
    return [[str(at) for at in range(server, count, servers)] for server in range(servers)]


def test_an_idle_inbox_is_one_long_poll() -> None:
    servers = Servers([[]])
    assert drained(servers) == Drained([], is_cut=False)
    assert servers.waits == [1]


@pytest.mark.parametrize("count", [1, 9])
def test_a_few_messages_are_one_request_more_that_does_not_wait(count: int) -> None:
    servers = Servers(messages(count))
    found = drained(servers)
    assert (len(found.deliveries), found.is_cut) == (count, False)
    assert servers.waits == [1, 0]


def test_many_messages_are_taken_until_every_thread_has_an_empty_answer() -> None:
    servers = Servers(messages(995))
    found = drained(servers)
    assert sorted(int(one.message_id) for one in found.deliveries) == list(range(995))
    assert not found.is_cut
    assert servers.waits.count(1) == 1
    assert 100 <= len(servers.waits) <= 105


def test_a_first_empty_short_poll_does_not_end_a_drain_of_many() -> None:
    """One server of two is empty: an answer of it says nothing about the other."""
    servers = Servers([messages(200)[0], []])
    found = drained(servers)
    assert len(found.deliveries) >= 2 * MESSAGES_PER_CALL


def test_a_drain_is_bounded_by_count_and_says_so() -> None:
    servers = Servers(messages(500))
    found = drained(servers, limit=100)
    assert 100 <= len(found.deliveries) < 100 + 4 * MESSAGES_PER_CALL
    assert found.is_cut


def test_a_drain_is_bounded_by_time_and_says_so() -> None:
    servers = Servers(messages(500))
    found = drained(servers, seconds=0)
    assert (len(found.deliveries), found.is_cut) == (10, True)


def test_a_drain_is_bounded_by_the_bytes_it_holds() -> None:
    servers = Servers(messages(900), body="x" * 250_000)
    found = drained(servers)
    assert 40 <= len(found.deliveries) <= 40 + 4 * MESSAGES_PER_CALL
    assert found.is_cut


def test_an_outage_at_the_first_call_goes_up_and_later_keeps_what_was_received() -> None:
    with pytest.raises(StorageUnavailable):
        drained(Servers(messages(5), fails_at=0))
    for count, at in ((5, 1), (100, 3)):
        found = drained(Servers(messages(count), fails_at=at))
        assert found.deliveries
        assert found.is_cut


@given(st.integers(0, 300), st.integers(1, 8))
def test_drains_that_follow_each_other_take_each_message_once_and_end_only_when_empty(
    count: int, servers: int
) -> None:
    queue, found = Servers(messages(count, servers)), list[str]()
    while deliveries := drained(queue, limit=60).deliveries:
        found += [one.message_id for one in deliveries]
    assert queue.left == 0
    assert sorted(map(int, found)) == list(range(count))
