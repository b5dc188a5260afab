"""A gate before chromadb's calls: reads pass side by side, and what must meet none passes alone.

One call of chromadb's is several reads of SQLite, so a reader's pages may only become the next
version's between calls: then each call sees one version, never half of another (docs/design.md,
invariant 5). Handles taken before stay good, whatever happens behind the gate. No write passes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from threading import Condition
from typing import TYPE_CHECKING, Any, Final

from instep.chroma import panics
from instep.errors import SnapshotReadOnly

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

READS: Final = frozenset(
    {
        "count",
        "count_collections",
        "get",
        "get_collection",
        "get_collection_by_id",
        "get_database",
        "get_max_batch_size",
        "get_tenant",
        "get_version",
        "heartbeat",
        "list_collections",
        "list_databases",
        "query",
    }
)
"""Those methods of chromadb's bindings that write nothing."""


class Gate:
    """The gate of one client: every call through any handle of it waits while it is shut."""

    def __init__(self, client: "ClientAPI") -> None:
        self._server: Any = client._server  # type: ignore[attr-defined]
        self._bindings: Any = panics.unguarded(self._server.bindings)
        self._server.bindings = _Calls(self)
        self._server.stop = lambda: None  # or a closed client had no bindings, and no word of it
        self._change = Condition()
        self._calls = 0
        self._shut = False

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no call runs; none begins before the block ends. One thread at a time may."""
        with self._change:
            self._shut = True
            self._change.wait_for(lambda: self._calls == 0)
        try:
            yield
        finally:
            with self._change:
                self._shut = False
                self._change.notify_all()

    def stop(self) -> None:
        """Let chromadb close its files, which it does in its own time; only when `alone`."""
        self._bindings = None

    def start(self) -> None:
        """Let chromadb open its files anew, behind the same handles; only when `alone`."""
        behind = copy(self._server)  # so that nobody finds the new bindings before the gate does
        behind.start()
        self._bindings = behind.bindings

    def call(self, name: str, arguments: Any, named: Any) -> Any:
        """Call a method of chromadb's bindings once the gate lets it pass; SnapshotReadOnly for
        what is no read.
        """
        if name not in READS:
            raise SnapshotReadOnly(name)
        with self._change:
            self._change.wait_for(lambda: not self._shut)
            self._calls += 1
        try:
            if self._bindings is None:
                raise ValueError("this client is closed: open the snapshot again")
            with panics.named():
                return getattr(self._bindings, name)(*arguments, **named)
        finally:
            with self._change:
                self._calls -= 1
                self._change.notify_all()


class _Calls:
    """Stands where chromadb looks for its bindings: every method of theirs passes the gate."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **named: self._gate.call(name, arguments, named)
