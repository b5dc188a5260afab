"""Renew a lease in the background while a function works, so that long work keeps its right.

The rule is docs/design.md, "Two-phase lock": a lease is minutes long and renewed by a heartbeat.
"""

from contextlib import suppress
from datetime import timedelta
from threading import Event, Thread
from types import TracebackType

from botocore.exceptions import ClientError

from instep.errors import LeaseLost, StorageUnavailable
from instep.lease import Lease, LeaseTable


class Heartbeat:
    """A block of work under a lease: `with Heartbeat(leases, lease, interval) as heartbeat:`.

    `heartbeat.lease` is the lease as last renewed. A renewal that the storage could not answer is
    left to the next beat: the lease outlives several of them.
    """

    def __init__(self, leases: LeaseTable, lease: Lease, interval: timedelta) -> None:
        self.lease = lease
        self._leases = leases
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
        """Raise LeaseLost if a renewal found the lease lost (or what else ended the beat)."""
        if self._failure is not None:
            raise self._failure

    def _beat(self) -> None:
        while not self._over.wait(self._interval):
            try:
                with suppress(StorageUnavailable):
                    self.lease = self._leases.renew(self.lease)
            except (LeaseLost, ClientError) as failure:
                self._failure = failure
                return
