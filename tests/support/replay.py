"""A process that pauses before every AWS call, without a thread: what it is, is what it was told.

To take one step more, its run is executed again from the start over the answers it has had, makes
one call in earnest and is cut off at the next one. So a paused process is a value, which can be
compared, kept, and gone on with from many different worlds. The seam is that of `deaths`.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

_TOLD: Final = ("ETag", "Attributes", "Item")  # what of an answer the code under test goes by


class Paused(BaseException):
    """The run is cut off before a call it would make; nothing it does then is its own will."""


@dataclass(frozen=True)
class Answer:
    """What AWS said to one call; `told` is equal for answers that say the same."""

    operation: str
    told: str
    value: Any = None
    body: bytes | None = None
    error: ClientError | None = None

    @classmethod
    def of(cls, operation: str, make: Callable[[], Any]) -> "Answer":
        """Make the call and keep its answer."""
        try:
            value = make()
        except ClientError as error:
            item = error.response.get("Item")
            return cls(operation, f"{error.response['Error']['Code']} {item}", error=error)
        body = value["Body"].read() if "Body" in value else None
        told = {key: value[key] for key in _TOLD if key in value}
        return cls(operation, f"{told}", value, body)

    def give(self) -> Any:
        """Return or raise what the call did; a body can be read each time anew."""
        if self.error is not None:
            raise self.error
        if self.body is None:
            return self.value
        return {**self.value, "Body": StreamingBody(io.BytesIO(self.body), len(self.body))}


@dataclass
class Replay:
    """One execution of a run: the answers it has had, grown by the call it made in earnest."""

    answers: list[Answer]
    at: int = 0
    may_call: bool = True
    is_aside: bool = False

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Make calls that are no steps: nobody else could tell when they took place."""
        self.is_aside = True
        try:
            yield
        finally:
            self.is_aside = False

    def answer(self, operation: str, make: Callable[[], Any]) -> Any:
        """Answer a call from memory, in earnest once, then never again."""
        if self.is_aside:
            return make()
        if self.at == len(self.answers):
            if not self.may_call:
                raise Paused(operation)
            self.may_call = False
            self.answers.append(Answer.of(operation, make))
        self.at += 1
        return self.answers[self.at - 1].give()


@contextmanager
def replaying(answers: tuple[Answer, ...]) -> Iterator[Replay]:
    """Let a run inside the block have these answers, and one more; Paused at the call after it."""
    replay = Replay(list(answers))
    make = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(client: BaseClient, operation: str, parameters: Any) -> Any:
        return replay.answer(operation, lambda: make(client, operation, parameters))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", call)
        yield replay
