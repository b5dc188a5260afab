"""A process that dies at a chosen AWS call: before it is sent, or after it was applied.

The seam is `BaseClient._make_api_call`, which every boto3 call goes through, whichever client of
whichever thread makes it. A dead process makes no further call.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Literal, TypeAlias

import pytest
from botocore.client import BaseClient

Moment: TypeAlias = Literal["before", "after"]


class ProcessDied(BaseException):
    """No handler survives its own death, so this is no Exception."""


@dataclass
class Process:
    """The calls made so far, by operation name, and whether it is dead."""

    at: int
    moment: Moment
    calls: list[str] = field(default_factory=list)
    dead: bool = False
    _lock: Any = field(default_factory=Lock)

    def arrives(self, operation: str) -> bool:
        """Count a call; True when it is the one to die at. ProcessDied for a dead process."""
        with self._lock:
            if self.dead:
                raise ProcessDied(operation)
            self.calls.append(operation)
            self.dead = len(self.calls) == self.at + 1
            return self.dead


@contextmanager
def dying(at: int, moment: Moment) -> Iterator[Process]:
    """Let whoever calls AWS inside the block die at its call number `at` (from 0)."""
    process = Process(at, moment)
    make = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(client: BaseClient, operation: str, parameters: Any) -> Any:
        dies = process.arrives(operation)
        if dies and moment == "before":
            raise ProcessDied(operation)
        answer = make(client, operation, parameters)
        if dies:
            raise ProcessDied(operation)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", call)
        yield process
