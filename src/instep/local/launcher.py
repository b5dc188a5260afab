"""Start MiniStack on loopback and a free port, and stop it by its own pid, leaving nothing behind.

State lies under `.instep/` of the app for `instep up`, in a scratch folder for tests.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from instep.app import state_folder
from instep.local.environment import client_environment, server_environment
from instep.local.guard import EndpointNotLocal, is_loopback
from instep.local.runtime import install_runtime

_SERVER = Path(__file__).with_name("server.py")
_RECORD = "cloud.json"
_LOG = "server.log"
_ATTEMPTS = 3  # a port that was free may be taken before the server binds it
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.05
_ANSWER_SECONDS = 2.0

# Those this process started: only a parent can reap, and only it needs to.
_children: dict[int, "subprocess.Popen[bytes]"] = {}


class CloudNotStarted(Exception):
    """The local cloud did not come up; the message ends with what it printed."""


class CloudRunning(Exception):
    """A local cloud already runs from this state folder: use it, or `instep down` first."""


@dataclass(frozen=True)
class LocalCloud:
    """A running local cloud: `started` is the kernel's start time of `pid`, which tells it from
    another process that got the same number later.
    """

    endpoint: str
    pid: int
    started: str
    state: str

    @classmethod
    def start(
        cls,
        state: Path | None = None,
        *,
        functions_endpoint: str | None = None,
        settings: dict[str, str] | None = None,
        tied: bool = False,
        queue_speed: float = 1.0,
    ) -> "LocalCloud":
        """Start one whose files all lie under `state` (made, and removed by `stop`), the app's own
        folder for it if none is given.

        `functions_endpoint`: where functions send their calls when it is not the cloud itself.
        `settings`: more of MiniStack's variables, such as AUTH. `tied`: it dies with this process.
        `queue_speed`: how much faster than time itself the time of its queues passes.
        CloudRunning when one already runs there; CloudNotStarted when it does not answer.
        """
        state = state or state_folder()
        if cls.running(state) is not None:
            raise CloudRunning(f"a local cloud already runs from {state}: run `instep down` first")
        if functions_endpoint is not None and not is_loopback(functions_endpoint):
            raise EndpointNotLocal(f"functions_endpoint={functions_endpoint} leaves this machine")
        shutil.rmtree(state, ignore_errors=True)
        (state / "tmp").mkdir(parents=True)
        for _ in range(_ATTEMPTS):
            port = _free_port()
            endpoint = f"http://127.0.0.1:{port}"
            environ = server_environment(state, port, functions_endpoint or endpoint)
            environ |= install_runtime(state / "runtime") | (settings or {})
            environ["MINISTACK_EDITION"] = mark = secrets.token_hex(8)
            process = _launch(state, environ, queue_speed, tied=tied)
            cloud = cls(endpoint, process.pid, _start_time(process.pid), str(state))
            if cloud._answers_within(_START_SECONDS, process, mark):
                (state / _RECORD).write_text(json.dumps(asdict(cloud)))
                return cloud
            cloud._kill()
        said = (state / _LOG).read_text(errors="replace")[-2000:]
        shutil.rmtree(state, ignore_errors=True)
        raise CloudNotStarted(f"MiniStack did not answer in {_ATTEMPTS} attempts:\n{said}")

    @classmethod
    def running(cls, state: Path | None = None) -> "LocalCloud | None":
        """Return the cloud that runs from `state` (the app's own), or None when none does."""
        cloud = cls._recorded(state or state_folder())
        return cloud if cloud is not None and cloud.alive else None

    @classmethod
    def clear(cls, state: Path | None = None) -> bool:
        """Remove what a cloud left that was killed: its functions, its files; whether any was left.

        Its number is nobody else's while a process of its group lives, so whoever has it now is
        left alone.
        """
        state = state or state_folder()
        found = cls._recorded(state)
        if found is not None and not _start_time(found.pid):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(found.pid, signal.SIGKILL)
        was_there = state.exists()
        shutil.rmtree(state, ignore_errors=True)
        return was_there

    @classmethod
    def _recorded(cls, state: Path) -> "LocalCloud | None":
        try:
            return cls(**json.loads((state / _RECORD).read_text()))
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
            return None

    @property
    def alive(self) -> bool:
        """Whether this very process, not a later one of the same number, still runs."""
        return self.started != "" and _start_time(self.pid) == self.started

    def env(self) -> dict[str, str]:
        """Return a whole process environment in which AWS means this cloud."""
        return client_environment(self.endpoint)

    def stop(self) -> None:
        """End the server and every function it started; remove its files. Safe to repeat."""
        if self.alive:
            self._kill()
        shutil.rmtree(self.state, ignore_errors=True)

    def set(self, **config: object) -> None:
        """Change MiniStack's settings while it runs, such as stepfunctions._SFN_WAIT_SCALE."""
        status, body = self._request("POST", "/_ministack/config", json.dumps(config))
        applied = json.loads(body).get("applied", {}) if status == 200 else {}
        if set(applied) != set(config):
            raise ValueError(f"MiniStack refused {set(config) - set(applied)}: {body!r}")

    def _request(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        host = self.endpoint.removeprefix("http://")
        connection = HTTPConnection(host, timeout=_ANSWER_SECONDS)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _answers_within(
        self, seconds: float, process: "subprocess.Popen[bytes]", mark: str
    ) -> bool:
        """Whether this very server answers: a stranger on the port does not know its mark."""
        pause = threading.Event()
        for _ in range(int(seconds / _POLL_SECONDS)):
            if process.poll() is not None:
                return False
            with suppress(OSError, HTTPException):
                if mark.encode() in self._request("GET", "/_ministack/health")[1]:
                    return True
            pause.wait(_POLL_SECONDS)
        return False

    def _kill(self) -> None:
        """SIGTERM for the server, then SIGKILL for whatever is left of its process group."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        pause = threading.Event()
        for _ in range(int(_STOP_SECONDS / _POLL_SECONDS)):
            _reap(self.pid)
            if not self.alive:
                break
            pause.wait(_POLL_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if (child := _children.pop(self.pid, None)) is not None:
            child.wait()  # the last of its threads may take a moment


def _launch(
    state: Path, environ: dict[str, str], queue_speed: float, *, tied: bool
) -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(_SERVER)]
    if queue_speed != 1:
        command += ["--queue-speed", str(queue_speed)]
    kept: tuple[int, ...] = ()
    if tied:  # the write end stays open, unnamed, for as long as this process lives
        read_end, _ = os.pipe()
        command += ["--lifeline", str(read_end)]
        kept = (read_end,)
    with (state / _LOG).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own server.py
            command,
            cwd=state,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=kept,
            start_new_session=True,
        )
    for descriptor in kept:
        os.close(descriptor)
    _children[process.pid] = process
    return process


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _start_time(pid: int) -> str:
    """Return the kernel's start time of `pid`, empty when it is gone or only waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state == "Z" else fields[18]


def _reap(pid: int) -> None:
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]
