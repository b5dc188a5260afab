"""Every state that ingests, executions and what befalls them can come to through the one runner's
protocol; each must be as it should be.

From every state each step that can follow is taken: a paused function's next call, an event that
arrives, a fault. Time passes by itself when nobody can do anything but wait. When all has stopped
with work left by an end that nobody was told of, the schedule comes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from entrypoint.payloads import Next, Tally
from tests.support.one_item import OneItem
from tests.support.runner_code import (
    AGAIN,
    APPLIED,
    BACK,
    LATER,
    Functions,
    Ingest,
    Outcome,
    Parse,
    Question,
    Settle,
    Told,
)
from tests.support.runner_world import Event, Process, Role, State, effects, on_its_way

SCHEDULE: Final = 300
MINUTE: Final = 60
MOST_LOOKS: Final = 40
BY_HAND: Final = "hand"


class Step(NamedTuple):
    """What took a state to another."""

    label: str
    after: State


class Wrong(AssertionError):
    """A state that must not be."""


@dataclass
class Explorer:
    """`lapses` are the seconds that may pass while somebody is paused; `most` how many executions
    there may ever be.
    """

    functions: Functions
    item: OneItem
    lapses: tuple[int, ...]
    most: int
    _origin: dict[int, tuple[int, str] | None] = field(default_factory=dict)

    def explore(self, first: State) -> int:
        """Return how many states there are; Wrong, with the way there, if one must not be."""
        waiting = [first]
        self._origin = {hash(first): None}
        while waiting:
            state = waiting.pop()
            for step in self._steps_of(state):
                key = hash(step.after)
                if key not in self._origin:
                    self._origin[key] = hash(state), step.label
                    waiting.append(step.after)
        return len(self._origin)

    def _steps_of(self, state: State) -> list[Step]:
        try:
            steps = list(self._steps(state))
            if not steps and not _is_clean(state):
                raise Wrong("all have stopped, and work is left or somebody is the runner")
        except Wrong as wrong:
            raise Wrong(f"{wrong}:\n{self._way(hash(state))}\n{state}") from None
        return steps

    def _way(self, key: int) -> str:
        labels = []
        while (found := self._origin[key]) is not None:
            key, label = found
            labels.append(label)
        return "\n".join(reversed(labels))

    def _steps(self, state: State) -> Iterator[Step]:
        working = [one for one in state.processes if one.until is None]
        if state.events and not state.faults:  # when it arrives is all the same to everybody
            yield self._arrives(state, state.events[0])
            return
        for process in working:
            yield from self._called(state, process)
        for event in state.events:
            yield self._arrives(state, event)
            if state.faults:
                twice = on_its_way(_faulty(state), f"{event.name}'", event.ended)
                yield Step(f"{event} twice", twice)
        if state.faults:
            yield from self._befalls(state)
        if working or state.events:
            return
        if state.processes:
            yield self._waited(state)
        elif state.excused and state.schedules < 2 and not _is_clean(state):
            later = state._replace(now=state.now + SCHEDULE, schedules=state.schedules + 1)
            yield Step("the schedule comes", on_its_way(later, "scheduled"))

    def _arrives(self, state: State, event: Event) -> Step:
        if state.born == self.most:
            raise Wrong(f"more than {self.most} executions")
        left = list(state.events)
        left.remove(event)
        new = Process(event.name, Parse(event.name, Tally(), state.now, event.ended), state.now)
        processes = tuple(sorted((*state.processes, new), key=lambda one: one.name))
        after = state._replace(born=state.born + 1, events=tuple(left), processes=processes)
        return Step(f"{event}", after)

    def _called(self, state: State, process: Process) -> Iterator[Step]:
        """The next call of a function, however it goes, and what it returns after it."""
        asked, _ = self.functions.next(process.call, process.began, process.told)
        assert isinstance(asked, Question)
        if asked.verb == "drain" and not any(told.verb == "claim" for told in process.told):
            raise Wrong(f"{process.name} drains without the role")
        for effect in effects(state, process, asked, self.item):
            if effect.fault and not state.faults:
                continue
            label = f"{process.name}: {asked.verb} {asked.what} -> {effect.answer}"
            after = _faulty(effect.after) if effect.fault else effect.after
            after = _checked(state, process, after)
            told = process._replace(
                told=(*process.told, Told(effect.answer, state.now, asked.verb))
            )
            for moved in self._went_on(_changed(after, process, told), told):
                yield Step(f"{label} {effect.fault or ''}", moved)
            if state.faults and not effect.fault:
                yield from _dies(_faulty(_changed(after, process, told)), told, label)

    def _went_on(self, state: State, process: Process) -> Iterator[State]:
        """What follows an answer: another call, or what becomes of a function's own answer."""
        came, remembered = self.functions.next(process.call, process.began, process.told)
        if isinstance(came, Question):
            yield _changed(state, process, process._replace(told=remembered))
        elif came.raised:
            yield _raised(state, process)
        elif isinstance(process.call, Ingest) or came.next is Next.END:
            yield _changed(state, process, None)
        elif came.next is Next.WORK:
            yield from _works(state, process, came)
        elif process.zombie:
            yield _changed(state, process, None)
        else:
            yield _waits(state, process, came)

    def _waited(self, state: State) -> Step:
        """Time passes until the first that waits goes on."""
        now = min(one.until for one in state.processes if one.until is not None)
        late = [m for m in state.inbox if m.visible_at + MINUTE + state.lapsed < now]
        if late and not state.excused:
            raise Wrong(f"{late} waits for longer than a minute")
        return Step(f"it is {now}", _woken(state._replace(now=now)))

    def _befalls(self, state: State) -> Iterator[Step]:
        """What may happen between two calls."""
        state = _faulty(state)
        if any(one.until is None for one in state.processes) or state.events:
            for seconds in self.lapses:
                later = state._replace(now=state.now + seconds, lapsed=state.lapsed + seconds)
                yield Step(f"{seconds} s pass", _woken(later))
        for process in state.processes:
            if isinstance(process.call, Ingest) or process.zombie:
                continue
            if not process.told and process.until is None:
                yield from _dies(state, process, f"{process.name}:")
            still = None if process.until is not None else process._replace(zombie=True)
            yield from _told_of(_changed(state, process, still), process, "is aborted")


def _is_clean(state: State) -> bool:
    return not state.inbox and Role.of(state.item).runner is None


def _faulty(state: State) -> State:
    return state._replace(faults=state.faults - 1)


def _changed(state: State, process: Process, into: Process | None) -> State:
    """The state with a process in the place of one of that name."""
    processes = [into if one.name == process.name else one for one in state.processes]
    return state._replace(processes=tuple(one for one in processes if one is not None))


def _woken(state: State) -> State:
    woken = [
        one._replace(until=None, began=state.now)
        if one.until is not None and one.until <= state.now
        else one
        for one in state.processes
    ]
    return state._replace(processes=tuple(woken))


def _raised(state: State, process: Process) -> State:
    """A function that raised for want of storage is tried again."""
    if Told(False, state.now, "PutEvents") not in process.told:
        raise Wrong(f"{process.name} gives up though the storage answers")
    return _changed(state, process, None if process.zombie else _anew(process, state.now))


def _anew(process: Process, now: int) -> Process:
    return process._replace(told=(), began=now)


def _works(state: State, process: Process, came: Outcome) -> Iterator[State]:
    """A batch is on its way; what its fate will be is decided here."""
    fates = (APPLIED, BACK, AGAIN, LATER) if state.fates else (APPLIED,)
    for fate in fates:
        call = Settle(process.name, came.tally, came.held, fate, True, process.began)
        settles = process._replace(call=call, began=state.now, told=())
        left = state if fate == APPLIED else state._replace(fates=state.fates - 1)
        yield _changed(left, process, settles)
    if process.zombie:
        yield _changed(state, process, None)


def _waits(state: State, process: Process, came: Outcome) -> State:
    if came.tally.looks > MOST_LOOKS:
        raise Wrong(f"{process.name} looks for ever")
    started = process.call.started if isinstance(process.call, Parse) else 0
    call = Parse(process.name, came.tally, started)
    until = state.now + came.pause if came.pause else None
    return _changed(state, process, Process(process.name, call, state.now, (), until))


def _dies(state: State, process: Process, label: str) -> Iterator[Step]:
    """Its process dies after a call (or at once): it is tried again, or was for the last time."""
    if process.told and not process.zombie:
        again = _changed(state, process, _anew(process, state.now))
        yield Step(f"{label} dies, and is tried again", again)
    if isinstance(process.call, Ingest):
        return
    if process.zombie:
        yield Step(f"{label} dies", _changed(state, process, None))
        return
    yield from _told_of(_changed(state, process, None), process, f"{label} dies")


def _told_of(state: State, process: Process, label: str) -> Iterator[Step]:
    """An execution ended red: the rule of stacks/triggers.py is told of it, or never is."""
    state = state._replace(dead=(*state.dead, process.name))
    unheard = state._replace(excused=True)
    yield Step(f"{process.name} {label}, unheard", unheard)
    if isinstance(process.call, Parse) and process.call.ended:
        return
    heard = on_its_way(state, f"after {process.name}", process.name)
    excused = state.excused or _leaves_more(state, process)
    yield Step(f"{process.name} {label}", heard._replace(excused=excused))


def _leaves_more(state: State, process: Process) -> bool:
    """Whether it leaves more than the role behind, or nobody will be announced."""
    role = Role.of(state.item)
    took = any(told.verb == "drain" and told.answer for told in process.told)
    works = isinstance(process.call, Settle) or took
    wished = any(one.by == BY_HAND for one in state.inbox)
    return wished or (works and role.runner != process.name) or role.deaths >= 3


def _checked(before: State, process: Process, after: State) -> State:
    """The role is nobody's to take while its runner lives, nor to give up while work is queued."""
    had, has = Role.of(before.item), Role.of(after.item)
    if has.runner == had.runner:
        return after
    if has.runner == process.name and process.zombie and len(before.dead) > 1:
        return after._replace(excused=True)  # the item remembers the last that ended
    if had.drains and had.runner != process.name:
        if had.until >= before.now and had.runner not in before.dead:
            raise Wrong(f"{process.name} takes the role from {had.runner}, which lives")
    if had.runner == process.name and has.runner is None:
        left = [one for one in before.inbox if not one.by and one.visible_at <= before.now]
        if left:
            raise Wrong(f"{process.name} finishes though {left} is queued")
    return after
