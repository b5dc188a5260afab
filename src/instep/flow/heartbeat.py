"""Renew a lease in the background while a function works, so that long work keeps its right.

The rule is docs/design.md, "Two-phase lock": a lease is minutes long and renewed by a heartbeat.
What else must live as long as the work does beats along with it.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from threading import Event, Thread
from types import TracebackType

from botocore.exceptions import ClientError

from instep.errors import LeaseLost, StorageUnavailable
from instep.flow.lease import Lease, LeaseTable


class Heartbeat:
    """A block of work under a lease: `with Heartbeat(leases, lease, interval) as heartbeat:`.

    `heartbeat.lease` is the lease as last renewed. Each of `also` is called at each beat, after the
    lease. What the storage could not answer is left to the next beat: a lease outlives several of
    them. What fails otherwise is not tried again, and the rest beats on until the work is over.
    """

    def __init__(
        self,
        leases: LeaseTable,
        lease: Lease,
        interval: timedelta,
        also: Sequence[Callable[[], object]] = (),
    ) -> None:
        self.lease = lease
        self._leases = leases
        self._acts = [self._renew, *also]
        self._interval = interval.total_seconds()
        self._over = Event()
        self._failure: Exception | None = None
        self._thread = Thread(target=self._beat, name=f"heartbeat-{lease.collection}", daemon=True)

    def __enter__(self) -> "Heartbeat":
        """Start to renew."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop renewing; raise LeaseLost when the work is done but its right was not kept."""
        self._over.set()
        self._thread.join()
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raise LeaseLost if a renewal found the lease lost (or what else failed first)."""
        if self._failure is not None:
            raise self._failure

    def _beat(self) -> None:
        while not self._over.wait(self._interval):
            for act in tuple(self._acts):
                try:
                    with suppress(StorageUnavailable):
                        act()
                except (LeaseLost, ClientError) as failure:
                    self._failure = self._failure or failure
                    self._acts.remove(act)

    def _renew(self) -> None:
        self.lease = self._leases.renew(self.lease)
