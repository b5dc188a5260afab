"""Bytes counted at the client: bodies of S3 calls by botocore's hooks, or a relay's raw bytes.

Bodies alone are counted where both sides use boto3; LanceDB brings a client of its own, so where
it takes part every side is counted by a relay on the wire, headers included.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHUNK = 1 << 18
_SENT_LENGTHS = ("X-Amz-Decoded-Content-Length", "Content-Length")


@dataclass(frozen=True)
class Reading:
    """What was counted so far: bytes up, bytes down, requests (of a relay: connections)."""

    up: int = 0
    down: int = 0
    requests: int = 0


class Counted(Protocol):
    """Something that counts traffic."""

    def reading(self) -> Reading:
        """Return the counts so far."""


class _Counter:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reading = Reading()

    def reading(self) -> Reading:
        """Return the counts so far."""
        with self._lock:
            return self._reading

    def _add(self, up: int = 0, down: int = 0, requests: int = 0) -> None:
        with self._lock:
            now = self._reading
            self._reading = Reading(now.up + up, now.down + down, now.requests + requests)


class Uncounted(_Counter):
    """For a client without hooks on its direct way: nothing is counted, so nothing is claimed."""


class ClientTraffic(_Counter):
    """Counts the bodies of every call of a boto3 S3 client, tries that failed included."""

    def __init__(self, client: "S3Client") -> None:
        super().__init__()
        client.meta.events.register("before-send.s3", self._sent)
        client.meta.events.register("response-received.s3", self._received)

    def _sent(self, request: Any, **_: object) -> None:
        lengths = (_length(request.headers, name) for name in _SENT_LENGTHS)
        self._add(up=next(filter(None, lengths), 0), requests=1)

    def _received(self, response_dict: dict[str, Any] | None, event_name: str, **_: object) -> None:
        if response_dict is not None and not event_name.endswith("HeadObject"):  # it has no body
            self._add(down=_length(response_dict["headers"], "Content-Length"))


class Relay(_Counter):
    """A loopback port that hands every byte on to the endpoint, and counts it."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        super().__init__()
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self._serving: list[threading.Thread] = []

    @property
    def endpoint(self) -> str:
        """Where to send requests, as a URL."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @contextmanager
    def running(self) -> Iterator["Relay"]:
        """Relay within the block; connections still open at its end are cut."""
        accepting = threading.Thread(target=self._accept, daemon=True, name="relay")
        accepting.start()
        try:
            yield self
        finally:
            _cut(self._listener)
            accepting.join()
            for end in self._ends:
                _cut(end)
            for serving in self._serving:
                serving.join()
            self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was cut: the end
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._upstream)
                self._add(requests=1)
                self._ends += [near, far]
                serving = threading.Thread(target=self._serve, args=(near, far), daemon=True)
                self._serving.append(serving)
                serving.start()

    def _serve(self, near: socket.socket, far: socket.socket) -> None:
        with near, far:
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            upwards = threading.Thread(target=self._pump, args=(near, far, "up"), daemon=True)
            upwards.start()
            self._pump(far, near, "down")
            _cut(near)
            upwards.join()

    def _pump(self, source: socket.socket, target: socket.socket, way: str) -> None:
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                self._add(**{way: len(chunk)})
                target.sendall(chunk)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def _cut(end: socket.socket) -> None:
    with suppress(OSError):  # closed already
        end.shutdown(socket.SHUT_RDWR)


def _length(headers: Any, name: str) -> int:
    value = headers.get(name)
    if isinstance(value, bytes):
        value = value.decode()
    return int(value) if value else 0
