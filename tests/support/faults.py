"""What S3 and the network may answer to one call: refusals, silence, a rival who acts in between.

The seams are botocore's `before-call` and `after-call` events of one client, so that the code under
test meets the exceptions botocore would raise. A death of the whole process is in `deaths`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

from botocore.exceptions import ReadTimeoutError

_CODES: Final = {
    409: "ConditionalRequestConflict",
    412: "PreconditionFailed",
    503: "SlowDown",
    500: "InternalError",
}


@dataclass
class Calls:
    """What a fault has met so far."""

    met: int = 0
    passed: int = 0
    keys: list[str] = field(default_factory=list)

    def meets(self, skip: int, times: int) -> bool:
        """Count a call; say whether it is one of those that the fault is for."""
        if self.passed < skip:
            self.passed += 1
            return False
        if self.met == times:
            return False
        self.met += 1
        return True


@contextmanager
def refusing(
    client: Any, operation: str, status: int, *, skip: int = 0, times: int = 1, since: str = ""
) -> Iterator[Calls]:
    """Answer the next calls of `operation` with an HTTP status; the service never sees them.

    `since`: the first call refused is one whose path holds this text; `skip`: after so many more.
    """
    calls = Calls()

    def answer(params: Any, **_: Any) -> Any:
        begun = calls.met or since in str(params.get("url_path"))
        if not begun or not calls.meets(skip, times):
            return None
        calls.keys.append(str(params.get("url_path")))
        parsed = {
            "Error": {"Code": _CODES[status], "Message": "injected"},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }
        return SimpleNamespace(status_code=status), parsed

    with _on(client, f"before-call.s3.{operation}", answer):
        yield calls


@contextmanager
def silent(
    client: Any, operation: str, *, applied: bool, skip: int = 0, times: int = 1
) -> Iterator[Calls]:
    """Let calls of `operation`, after the first `skip`, time out: `applied` says whether the
    service acted before.
    """
    calls = Calls()

    def time_out(**_: Any) -> None:
        if calls.meets(skip, times):
            raise ReadTimeoutError(endpoint_url="http://s3")

    moment = "after" if applied else "before"
    with _on(client, f"{moment}-call.s3.{operation}", time_out):
        yield calls


@contextmanager
def meanwhile(client: Any, operation: str, act: Callable[[], object]) -> Iterator[Calls]:
    """Let a rival act once, at the last moment before `operation` is sent."""
    calls = Calls()

    def interrupt(**_: Any) -> None:
        if not calls.met:
            calls.met += 1
            act()

    with _on(client, f"before-call.s3.{operation}", interrupt):
        yield calls


@contextmanager
def _on(client: Any, event: str, handler: Callable[..., Any]) -> Iterator[None]:
    client.meta.events.register(event, handler)
    try:
        yield
    finally:
        client.meta.events.unregister(event, handler)
