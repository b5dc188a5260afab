"""What can go wrong with an AWS call, as values: refused, delayed, dropped before it arrived,
applied but its answer lost, a rival's act just before it, the caller's own death.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from instep.local.wire import AwsCall


class Moment(Enum):
    """When a fault strikes: the cloud has not seen the call yet, or has applied it."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True)
class Refuse:
    """Answer with an AWS error instead of passing the call on."""

    status: int = 503
    code: str = "SlowDown"
    moment: Moment = field(default=Moment.BEFORE, init=False)


@dataclass(frozen=True)
class Drop:
    """Close the connection: BEFORE the call never arrived, AFTER it was applied (answer lost)."""

    moment: Moment = Moment.BEFORE


@dataclass(frozen=True)
class Kill:
    """SIGKILL the calling function's process in the middle of the call."""

    moment: Moment = Moment.BEFORE


@dataclass(frozen=True)
class Delay:
    """Pass the call on after `seconds`, or once the rule is lifted."""

    seconds: float
    moment: Moment = field(default=Moment.BEFORE, init=False)


@dataclass(frozen=True)
class Hold:
    """Keep the caller waiting until the rule is lifted; the call never arrives."""

    moment: Moment = field(default=Moment.BEFORE, init=False)


@dataclass(frozen=True)
class LetRival:
    """Run `act` first, then pass the call on: what another party does at exactly this point."""

    act: Callable[[], None]
    moment: Moment = field(default=Moment.BEFORE, init=False)


Fault: TypeAlias = Refuse | Drop | Kill | Delay | Hold | LetRival


@dataclass
class Rule:
    """A fault in force: strikes `times` matching calls (None: all), and counts its hits."""

    matches: Callable[[AwsCall], bool]
    fault: Fault
    times: int | None
    hits: int = 0
    lifted: threading.Event = field(default_factory=threading.Event)


def calls(
    operation: str | None = None, *, function: str = "", path: str = ""
) -> Callable[[AwsCall], bool]:
    """Match calls by operation (PutObject, UpdateItem, ...), part of the function's name, of the
    path.
    """
    return lambda call: (
        operation in {None, call.operation} and function in call.function and path in call.path
    )
