"""Two acts over one bucket in memory, a call of each at a time, in an order the test chooses."""

import threading
from collections.abc import Callable

from instep.snapshot.copy.store import SnapshotStore
from tests.support.memory import InMemory

Act = Callable[[SnapshotStore], object]


class Turns(threading.Thread):
    """An act in a thread of its own, which stands still before each of its calls until it may.

    `outcome` is what it returned or raised, once it is `over`.
    """

    def __init__(self, store: SnapshotStore, act: Act) -> None:
        super().__init__(daemon=True)
        assert isinstance(store.objects, InMemory)
        objects = InMemory(store.objects.time, store.objects.held, self._stand_still, self)
        self._store = SnapshotStore(objects, store.collection, store.clock)
        self._act = act
        self._may = threading.Semaphore(0)
        self._stands = threading.Semaphore(0)
        self.outcome: object = None
        self.over = False
        self.start()
        self._stands.acquire()

    def run(self) -> None:
        self._stand_still("start")
        try:
            self.outcome = self._act(self._store)
        except Exception as error:  # noqa: BLE001 - what it is, the test says
            self.outcome = error
        self.over = True
        self._stands.release()

    def take(self, turns: int) -> None:
        """Let it make so many calls, or all it still has to make."""
        for _ in range(turns):
            if not self.over:
                self._may.release()
                self._stands.acquire()

    def finish(self) -> object:
        """Let it come to its end; return the outcome."""
        while not self.over:
            self.take(1)
        self.join()
        return self.outcome

    def _stand_still(self, _: str) -> None:
        self._stands.release()
        self._may.acquire()
