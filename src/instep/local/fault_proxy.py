"""A loopback proxy between deployed functions and the local cloud that fails chosen AWS calls.

Nothing in the product knows of it: functions find it where they find the cloud.
"""

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from instep.local.faults import Delay, Fault, Hold, Kill, LetRival, Moment, Refuse, Rule
from instep.local.wire import AwsCall, read_call

_OURS = {"expect", "transfer-encoding", "content-length"}  # http.client says how long the body is


class FaultProxy:
    """Listens on a free loopback port from construction on; `upstream` is set before first use.

    A context manager: leaving it stops the listener and lifts every rule.
    """

    def __init__(self) -> None:
        self.upstream = ""
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler_for(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def endpoint(self) -> str:
        """The URL that functions are given as AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Lift every rule and stop."""
        for rule in self._rules:
            rule.lifted.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @contextmanager
    def failing(
        self, matches: Callable[[AwsCall], bool], fault: Fault, times: int | None = 1
    ) -> Iterator[Rule]:
        """Let `fault` strike matching calls inside the block; the rule counts its hits."""
        rule = Rule(matches, fault, times)
        with self._lock:
            self._rules.append(rule)
        try:
            yield rule
        finally:
            with self._lock:
                self._rules.remove(rule)
            rule.lifted.set()

    def struck(self, call: AwsCall) -> Rule | None:
        """Return the first rule that strikes this call, its hit counted; None: pass it on."""
        with self._lock:
            for rule in self._rules:
                if (rule.times is None or rule.hits < rule.times) and rule.matches(call):
                    rule.hits += 1
                    return rule
        return None

    def passed_on(self, call: AwsCall) -> bytes:
        """Return the body that the cloud gets: the caller's own. A subclass may ask for more."""
        return call.body

    def answered(self, call: AwsCall, answer: bytes) -> None:
        """Take notice of the cloud's answer before the caller gets it. A subclass may count."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a caller that died or a cloud that stopped: both are what this is for."""
        if not isinstance(sys.exception(), OSError | HTTPException):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    """Reads a whole request, lets a rule strike, forwards it, gives the answer back whole."""

    protocol_version = "HTTP/1.1"  # with it, the base class answers Expect: 100-continue
    disable_nagle_algorithm = True
    proxy: FaultProxy
    _connection: HTTPConnection | None = None

    def _serve(self) -> None:
        body = self._body()
        call = read_call(self.command, self.path, self.headers.items(), body)
        rule = self.proxy.struck(call)
        fault = rule.fault if rule else None
        if isinstance(fault, Refuse):
            self._refuse(call, fault)
            return
        if rule and rule.fault.moment is Moment.BEFORE and not self._survives(call, rule):
            return
        status, headers, answer = self._forward(self.proxy.passed_on(call))
        self.proxy.answered(call, answer)
        if rule and rule.fault.moment is Moment.AFTER and not self._survives(call, rule):
            return
        self._answer(status, headers, answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
        """Say nothing: the proxy's callers look at rules and results."""

    def finish(self) -> None:
        if self._connection is not None:
            self._connection.close()
        super().finish()

    def _survives(self, call: AwsCall, rule: Rule) -> bool:
        """Do what the rule's fault does at its moment; False when nothing more is answered."""
        match rule.fault:
            case Delay(seconds=seconds):
                rule.lifted.wait(seconds)
                return True
            case Hold():
                rule.lifted.wait()
                _end(call.pid)  # its function's time was over, and on AWS it would be gone
            case LetRival(act=act):
                act()
                return True
            case Kill() if call.pid is not None:
                os.kill(call.pid, signal.SIGKILL)
        self.close_connection = True
        return False

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        if self._connection is not None and _is_over(self._connection):
            self._connection.close()
            self._connection = None
        if self._connection is None:
            self._connection = HTTPConnection(urlsplit(self.proxy.upstream).netloc, timeout=900)
        kept = {name: value for name, value in self.headers.items() if name.lower() not in _OURS}
        try:
            self._connection.request(self.command, self.path, body, kept)
            answer = self._connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except (OSError, HTTPException):
            self._connection.close()
            self._connection = None
            raise

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                self.send_header(name, value)
        length = {name.lower(): value for name, value in headers}.get("content-length")
        held = self.command == "HEAD" and length is not None
        self.send_header("Content-Length", str(length) if held else str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, call: AwsCall, fault: Refuse) -> None:
        if call.service == "s3":
            body = f"<Error><Code>{fault.code}</Code><Message>injected</Message></Error>"
            self._answer(fault.status, [("Content-Type", "application/xml")], body.encode())
            return
        body = f'{{"__type": "{fault.code}", "message": "injected"}}'
        headers = [
            ("Content-Type", "application/x-amz-json-1.0"),
            ("x-amzn-ErrorType", fault.code),
            ("x-amzn-query-error", f"{fault.code};Receiver"),
        ]
        self._answer(fault.status, headers, body.encode())


def _end(pid: int | None) -> None:
    """Kill a function's process, if it is one still: its next call would pass for another's."""
    with suppress(OSError):
        if pid is not None and b"awslambdaric" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)


def _is_over(connection: HTTPConnection) -> bool:
    """Whether the cloud closed a kept connection while nothing was asked: a call sent on it would
    be lost after a rule had counted it.
    """
    if connection.sock is None:
        return True
    idle = select.poll()
    idle.register(connection.sock, select.POLLIN)
    return bool(idle.poll(0))  # nothing was asked, so all that can be read is the end


def _handler_for(proxy: FaultProxy) -> type[_Handler]:
    return type("Handler", (_Handler,), {"proxy": proxy})
