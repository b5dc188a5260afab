"""The local cloud as tests use it: started once, ended for certain, waited for by condition."""

import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.function_settings import reconfigured
from instep.local.fault_proxy import FaultProxy
from instep.local.launcher import LocalCloud
from instep.local.runtime import BOOTSTRAP
from instep.local.target import Target

Found = TypeVar("Found")

_POLL_SECONDS = 0.05
_WAIT_SCALE = 0.005  # a retry's two seconds are 10 ms here
_QUEUE_SPEED = 60.0  # and what a message is hidden for, a minute, is one second


def eventually(probe: Callable[[], Found | None], what: str, timeout: float = 30.0) -> Found:
    """Return the first true value of `probe`, asked until `timeout` seconds have passed.

    AssertionError says what did not come about, and the last value seen.
    """
    pause = threading.Event()
    value: Found | None = None
    for _ in range(int(timeout / _POLL_SECONDS) + 1):
        value = probe()
        if value:
            return value
        pause.wait(_POLL_SECONDS)
    raise AssertionError(f"not within {timeout:g} s: {what}; last seen: {value!r}")


@contextmanager
def faulty_cloud(state: Path, **settings: str) -> Iterator[tuple[LocalCloud, FaultProxy]]:
    """Run a local cloud whose functions reach it through a fault proxy; waits are shortened."""
    with FaultProxy() as proxy:
        cloud = LocalCloud.start(
            state,
            functions_endpoint=proxy.endpoint,
            settings=settings,
            tied=True,
            queue_speed=_QUEUE_SPEED,
        )
        proxy.upstream = cloud.endpoint
        try:
            cloud.set(**{"stepfunctions._SFN_WAIT_SCALE": _WAIT_SCALE})
            yield cloud, proxy
        finally:
            cloud.stop()


@dataclass(frozen=True)
class Answer:
    """What an invocation came to: the payload, or the name of its error."""

    payload: Any
    error: str | None


@dataclass(frozen=True)
class HandMadeFunction:
    """A function of a few lines, deployed beside the app, to see how functions run at all."""

    target: Target
    name: str

    @classmethod
    def deploy(
        cls,
        target: Target,
        name: str,
        source: str,
        *,
        layers: str = "",
    ) -> "HandMadeFunction":
        """Deploy `source`, which defines `handle(event, context)`, with our bootstrap."""
        target.client("lambda").create_function(
            FunctionName=name,
            Runtime="provided.al2023",
            Handler="handler.handle",
            Role="arn:aws:iam::000000000000:role/hand-made",
            Code={"ZipFile": _asset(source)},
            Timeout=60,
            Environment={"Variables": {"INSTEP_LAYERS": layers}},
        )
        return cls(target, name)

    def within(self, seconds: int) -> AbstractContextManager[None]:
        """Give it no more time than this inside the block."""
        return reconfigured(self.target, self.name, {}, Timeout=seconds)

    def call(self, **event: object) -> Answer:
        """Invoke it and wait for the answer."""
        answer = self.target.client("lambda").invoke(
            FunctionName=self.name, Payload=json.dumps(event)
        )
        payload = json.loads(answer["Payload"].read() or "null")
        failed = "FunctionError" in answer
        return Answer(payload, payload["errorType"] if failed else None)


def _asset(source: str) -> bytes:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("handler.py", source)
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, BOOTSTRAP.read_bytes())
    return zipped.getvalue()
