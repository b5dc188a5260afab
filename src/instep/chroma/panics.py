"""A panic of chromadb's bindings, turned into an error that somebody can catch and name.

Leans on chromadb 1.5.9 being Rust behind pyo3: a panic there arrives as an exception of a class
nobody can import and that is no `Exception`, so that it passes every handler; and on its client
keeping the bindings in `_server.bindings` (tests/unit/snapshot/test_panics.py asks the real one).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from instep.errors import ChromaPanicked

_PANIC: Final = ("pyo3_runtime", "PanicException")
_SHOWN: Final = 500  # characters of what a panic says, which may be a whole record


@contextmanager
def named() -> Iterator[None]:
    """Run calls of chromadb; a panic of theirs is raised as ChromaPanicked."""
    try:
        yield
    except BaseException as error:
        if (type(error).__module__, type(error).__name__) != _PANIC:
            raise
        raise ChromaPanicked(f"{error}"[:_SHOWN]) from error


def guard(client: Any) -> None:
    """Let every later call of an open client, whoever makes it, raise panics by their name."""
    server = client._server
    if not isinstance(server.bindings, _Guarded):  # clients of one directory share it
        server.bindings = _Guarded(server.bindings)


def unguarded(bindings: Any) -> Any:
    """Return the bindings themselves, for who calls them under `named` on its own."""
    return bindings._bindings if isinstance(bindings, _Guarded) else bindings


def close(client: Any) -> None:
    """Close a client, and drop its bindings: the traceback of an error would keep them open."""
    server = client._server
    bindings = server.bindings
    client.close()
    stopped = not hasattr(server, "bindings")  # not while another client of the directory lives
    if stopped and isinstance(bindings, _Guarded):
        bindings.let_go()


class _Guarded:
    """The bindings of a client. Nothing else here refers to them: a close waits for their end."""

    def __init__(self, bindings: Any) -> None:
        self._bindings = bindings

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._call, name)

    def let_go(self) -> None:
        self._bindings = None

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        with named():
            return getattr(self._bindings, name)(*arguments, **options)
