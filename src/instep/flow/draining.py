"""When a drain ends: by the first answer if that is empty, then by its limits or an empty answer.

Only a receive that waits asks all of a queue's servers (SQS developer guide, "Short and long
polling"), and waiting costs a second when there is nothing. So the first answer is waited for: an
inbox is called empty by a long poll alone. Whoever drained something looks again afterwards, and
so short polls may end it: one request more for a few messages, several threads for many.
"""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Final

from instep.clock import Clock
from instep.errors import StorageUnavailable
from instep.flow.envelope import Delivery

MESSAGES_PER_CALL: Final = 10

_THREADS: Final = 4
_BYTES: Final = (
    10_000_000  # of bodies: a round's; and of the receives then under way, ten of 1 MiB each
)


@dataclass(frozen=True)
class Drained:
    """What a drain received, each message once.

    `is_cut`: it ended before the queue answered empty, so there is more to be expected.
    """

    deliveries: Sequence[Delivery]
    is_cut: bool


def drain(
    receive: Callable[[int], Sequence[Delivery]],
    limit: int,
    until: datetime,
    clock: Clock,
    wait: int,
) -> Drained:
    """Receive about `limit` messages at most, until `until`; `receive` is told how many seconds
    to wait. What it raises goes up when it raises at once; later it only ends the drain.
    """
    draining = _Draining(receive, limit, until, clock)
    draining.add(receive(wait))
    if not draining.taken:
        return Drained([], is_cut=False)
    if len(draining.taken) >= MESSAGES_PER_CALL or draining.take_more():
        with ThreadPoolExecutor(_THREADS) as pool:
            for worker in [pool.submit(draining.take_all) for _ in range(_THREADS)]:
                worker.result()
    return Drained(list(draining.taken.values()), draining.is_cut)


@dataclass
class _Draining:
    """What several threads have taken so far, by message."""

    receive: Callable[[int], Sequence[Delivery]]
    limit: int
    until: datetime
    clock: Clock
    taken: dict[str, Delivery] = field(default_factory=dict)
    held: int = 0  # bytes
    is_cut: bool = False
    _guard: Lock = field(default_factory=Lock)

    def add(self, received: Sequence[Delivery]) -> None:
        with self._guard:
            for delivery in received:
                self.taken[delivery.message_id] = delivery
                self.held += sys.getsizeof(delivery.body)

    def take_more(self) -> bool:
        """Receive at once; False when this was, or would be, the last time."""
        if len(self.taken) >= self.limit or self.held >= _BYTES or self.clock() >= self.until:
            self.is_cut = True
            return False
        try:
            received = self.receive(0)
        except StorageUnavailable:
            self.is_cut = True
            return False
        self.add(received)
        return bool(received)

    def take_all(self) -> None:
        while self.take_more():
            pass
