"""Threads that stand still at named points, and every order in which they can go on.

Only one of them runs at a time, and only when it is told to: a lock, a condition and each call of
S3's or of the disk's is a point. A state is where everybody stands, what each has seen on the way
(of what it can look at: two that share nothing are in each other's way in no order), and what lies
there. An order is taken by running everything again from the start, so nothing has to be put back;
a state that was seen is not gone on from twice.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

_PATIENCE: Final = 600  # seconds until a thread that reaches no point is a failure

Act: TypeAlias = Callable[[], object]


class Stuck(AssertionError):
    """Nobody can go on, and not everybody is at the end."""


@dataclass
class Actor:
    """An act in a thread of its own; `outcome` is what it returned or raised, once it is over."""

    name: str
    act: Act
    stages: "Stages"
    ready: Callable[[], bool] = lambda: True
    seen: list[Hashable] = field(default_factory=list)
    over: bool = False
    outcome: object = None

    def __post_init__(self) -> None:
        self.may = threading.Semaphore(0)
        self.stands = threading.Semaphore(0)
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self.stages.here.actor = self
        self.stages.at("start")
        try:
            self.outcome = self.act()
        except BaseException as error:  # noqa: BLE001 - what it is, the test says
            self.outcome = error
        self.over = True
        self.stands.release()

    def go_on(self) -> None:
        """Let it run to its next point, or to its end."""
        self.may.release()
        self.wait()

    def wait(self) -> None:
        """Wait until it stands."""
        assert self.stands.acquire(timeout=_PATIENCE), f"{self.name} came to no point"


class Stages:
    """The points of one run; whoever is no actor passes them without a halt."""

    def __init__(self, observe: Callable[[str], Hashable]) -> None:
        self.actors: list[Actor] = []
        self.here = threading.local()
        self._observe = observe

    def begin(self, acts: dict[str, Act]) -> None:
        """Let every act come to its start."""
        self.actors = [Actor(name, act, self) for name, act in acts.items()]
        for actor in self.actors:
            actor.thread.start()
            actor.wait()

    def at(self, label: str, ready: Callable[[], bool] = lambda: True) -> None:
        """Stand still until told to go on, which happens only when it is `ready`."""
        actor: Actor | None = getattr(self.here, "actor", None)
        if actor is None:
            assert ready(), f"{label}: nobody would ever let this thread pass"
            return
        actor.ready = ready
        actor.seen.append(label)
        actor.stands.release()
        actor.may.acquire()
        actor.seen.append(self._observe(actor.name))

    def waiting(self) -> list[Actor]:
        """Return who can go on; Stuck when nobody can and somebody should."""
        left = [actor for actor in self.actors if not actor.over]
        able = [actor for actor in left if actor.ready()]
        if left and not able:
            raise Stuck({actor.name: actor.seen[-1] for actor in left})
        return able

    def key(self) -> Hashable:
        """Return where everybody stands and what each has seen."""
        return tuple((a.name, a.over, tuple(a.seen)) for a in self.actors)


class Lock(AbstractContextManager[None]):
    """A lock whose taking is a point."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._held = False

    def __enter__(self) -> None:
        self._stages.at("lock", lambda: not self._held)
        self._held = True

    def __exit__(self, *_: object) -> None:
        self._held = False


class Condition(AbstractContextManager[None]):
    """A condition: its mutex is taken at a point, and given up only while it waits."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages

    def __enter__(self) -> None:
        self._stages.at("condition")

    def __exit__(self, *_: object) -> None:
        """Nobody else runs before the next point."""

    def wait_for(self, holds: Callable[[], bool]) -> None:
        if not holds():
            self._stages.at("wait", holds)

    def notify_all(self) -> None:
        """The last thing done before the mutex is given up: here others may go first."""
        self._stages.at("told")


class Run(Protocol):
    """One run of a scenario, from its start."""

    stages: Stages

    def lies_there(self) -> Hashable: ...
    def check(self) -> None: ...
    def check_end(self) -> None: ...
    def end(self) -> None: ...


@dataclass
class Explored:
    """How much was seen."""

    states: int = 0
    runs: int = 0
    steps: int = 0


def explore(start: Callable[[], Run]) -> Explored:
    """Take every order of a scenario's steps, those first that part soonest from one that was
    taken; AssertionError at the first state that is wrong.
    """
    seen: set[Hashable] = set()
    found = Explored()
    waiting: deque[Sequence[str]] = deque([()])
    while waiting:
        order = list(waiting.popleft())
        run = start()
        known = len(order)
        try:
            at = 0
            while able := run.stages.waiting():
                names = {actor.name: actor for actor in able}
                if at < known:
                    chosen = order[at]
                else:
                    key = (run.stages.key(), run.lies_there())
                    chosen = able[0].name
                    if key not in seen:
                        seen.add(key)
                        waiting.extend([*order, other.name] for other in able[1:])
                    order.append(chosen)
                names[chosen].go_on()
                at += 1
                if at >= known:  # before that it was checked in the order this one branched from
                    run.check()
            run.check_end()
            found.steps += at
        except AssertionError as error:
            error.add_note(f"in the order {' '.join(order)}")
            raise
        finally:
            run.end()
        found.runs += 1
    found.states = len(seen)
    return found
