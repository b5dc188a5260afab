"""Every state that ingests, executions and what befalls them can come to through the one runner's
protocol; each must be as it should be.

From every state each step that can follow is taken: a paused function's next call, an event that
arrives, a fault. Time passes by itself when nobody can do anything but wait. When all has stopped
with work left by an end that nobody was told of, the schedule comes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from instep.lambda_.payloads import Next, Tally
from tests.support.one_item import OneItem
from tests.support.runner_code import (
    APPLIED,
    Functions,
    Ingest,
    Outcome,
    Parse,
    Question,
    Settle,
    Told,
)
from tests.support.runner_faults import Step, befalls, dies, ends_red, excused
from tests.support.runner_world import Doom, Event, Process, Role, State, effects

SCHEDULE: Final = 300
SCHEDULES: Final = 2  # the first may come before a dead runner has lapsed
MINUTE: Final = 60
MOST_LOOKS: Final = 40


class Wrong(AssertionError):
    """A state that must not be."""


class Seen(NamedTuple):
    """How many states there are, and how many executions at most on a way."""

    states: int
    executions: int


@dataclass
class Explorer:
    """`lapses` are the seconds that may pass while somebody is paused, `fates` what may become of
    a batch that is not applied; `most` is how many executions there may ever be.
    """

    functions: Functions
    item: OneItem
    lapses: tuple[int, ...]
    fates: tuple[str, ...]
    most: int
    _origin: dict[int, tuple[int, tuple[Any, ...]] | None] = field(default_factory=dict)

    def explore(self, first: State) -> Seen:
        """Return what was seen; Wrong, with the way there, if a state must not be."""
        waiting, executions = [first], 0
        self._origin = {hash(first): None}
        while waiting:
            state = waiting.pop()
            executions = max(executions, state.born)
            for step in self._steps_of(state):
                key = hash(step.after)
                if key not in self._origin:
                    self._origin[key] = hash(state), step.how
                    waiting.append(step.after)
        return Seen(len(self._origin), executions)

    def _steps_of(self, state: State) -> list[Step]:
        try:
            return list(self._steps(state))
        except Wrong as wrong:
            raise Wrong(f"{wrong}:\n{self._way(hash(state))}\n{state}") from None

    def _way(self, key: int) -> str:
        how = []
        while (found := self._origin[key]) is not None:
            key, step = found
            how.append(" ".join(str(part) for part in step))
        return "\n".join(reversed(how))

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
                twice = state.with_less("faults").awaiting(event.name, event.ended)
                yield Step((event, "once more"), twice)
        if state.faults:
            yield from befalls(state, self.lapses)
        if working or state.events:
            return
        if state.processes:
            yield self._waited(state)
        elif not state.is_clean:
            if state.excused is None or state.schedules == SCHEDULES:
                raise Wrong("all have stopped, and work is left or somebody is the runner")
            later = state._replace(
                now=state.now + SCHEDULE, schedules=state.schedules + 1, doom=None
            )
            yield Step(("the schedule comes",), later.awaiting("scheduled"))

    def _arrives(self, state: State, event: Event) -> Step:
        if state.born == self.most:
            raise Wrong(f"more than {self.most} executions")
        left = list(state.events)
        left.remove(event)
        new = Process(event.name, Parse(event.name, Tally(), state.now, event.ended), state.now)
        after = state._replace(born=state.born + 1, events=tuple(left)).joined(new)
        if _is_doomed(state, new):
            after = ends_red(after, new)
        return Step((event,), after)

    def _called(self, state: State, process: Process) -> Iterator[Step]:
        """The next call of a function, however it goes, and what it returns after it."""
        asked, remembered = self.functions.next(process.call, process.began, process.told)
        if isinstance(asked, Outcome):  # nobody hears it
            yield Step((process.name, "is over"), state.changed(process, None))
            return
        if asked.verb == "drain" and not any(
            told.verb == "claim" and told.answer for told in remembered
        ):
            raise Wrong(f"{process.name} drains without the role")
        for effect in effects(state, process, asked, self.item):
            if effect.fault and not state.faults:
                continue
            made = (process.name, asked, effect.answer)
            after = effect.after.with_less("faults") if effect.fault else effect.after
            after = _checked(state, process, after)
            answers = (*process.told, Told(effect.answer, state.now, asked.verb))
            told = process._replace(told=answers)
            for moved in self._went_on(after.changed(process, told), told):
                yield Step((*made, effect.fault), moved)
            if state.faults and not effect.fault:
                yield from dies(after.changed(process, told).with_less("faults"), told, made)

    def _went_on(self, state: State, process: Process) -> Iterator[State]:
        """What follows an answer: another call, or what becomes of a function's own answer."""
        came, remembered = self.functions.next(process.call, process.began, process.told)
        if isinstance(came, Question):
            moved = process._replace(told=remembered)
            yield (
                ends_red(state, moved)
                if _is_doomed(state, moved)
                else state.changed(process, moved)
            )
        elif came.raised:
            yield _raised(state, process)
        elif isinstance(process.call, Ingest) or process.twin:
            yield state.changed(process, None)
        else:
            if isinstance(process.call, Settle):
                state = state._replace(sterile=0)
            yield from self._returned(state, process, came)

    def _returned(self, state: State, process: Process, came: Outcome) -> Iterator[State]:
        """What the workflow does with a function's answer."""
        if came.next is Next.WORK:
            for fate in (APPLIED, *(self.fates if state.fates else ())):
                call = Settle(process.name, came.tally, came.held, fate, True, process.began)
                works = process._replace(call=call, began=state.now, told=())
                left = state if fate == APPLIED else state.with_less("fates")
                yield left.changed(process, works)
            if process.zombie:
                yield state.changed(process, None)
        elif came.next is Next.END or process.zombie:
            yield state.changed(process, None)
        elif came.tally.looks == MOST_LOOKS:
            raise Wrong(f"{process.name} looks for ever")
        else:
            looks = Parse(process.name, came.tally, 0)
            until = state.now + came.pause if came.pause else None
            yield state.changed(process, Process(process.name, looks, state.now, (), until))

    def _waited(self, state: State) -> Step:
        """Time passes until the first that waits goes on."""
        now = min(one.until for one in state.processes if one.until is not None)
        late = [one for one in state.inbox if one.visible_at + MINUTE + state.lapsed < now]
        if late and state.excused is None:
            raise Wrong(f"{late} waits for longer than a minute")
        return Step((now,), state.woken(now))


def _is_doomed(state: State, process: Process) -> bool:
    """Whether it is where every execution dies."""
    if isinstance(process.call, Parse) and not process.call.ended:
        told = "".join(one.verb for one in process.told)
        return state.doom == Doom(told, process.call.tally.rounds)
    return False


def _raised(state: State, process: Process) -> State:
    """A function that raised for want of storage is tried again."""
    if Told(False, state.now, "PutEvents") not in process.told:
        raise Wrong(f"{process.name} gives up though the storage answers")
    anew = process._replace(told=(), began=state.now)
    return state.changed(process, None if process.zombie or process.twin else anew)


def _checked(before: State, process: Process, after: State) -> State:
    """The role is nobody's to take while its runner lives, nor to give up while work is queued."""
    had, has, who = Role.of(before.item), Role.of(after.item), process.owner
    if has.queued > had.queued and _heals(before, process):
        return after._replace(excused=None, lapsed=before.now)
    if has.runner == had.runner:
        if had.drains and has.until != had.until and had.runner != who:
            raise Wrong(f"{who} gives a sign of life for {had.runner}")
        return after
    if has.runner == who and _is_late(before, process):
        return excused(after)
    lives = had.until >= before.now and had.runner not in before.dead
    if had.drains and lives and had.runner != who:
        raise Wrong(f"{who} takes the role from {had.runner}, which lives")
    if had.runner == who and has.runner is None:
        left = [one for one in before.inbox if not one.by and one.visible_at <= before.now]
        if left:
            raise Wrong(f"{who} finishes though {left} is queued")
        return after._replace(sterile=0)
    return after


def _heals(state: State, process: Process) -> bool:
    """Whether it is a change that came when what died unheard gave no sign of life any more."""
    forgotten = state.excused is not None and process.began >= state.excused
    return forgotten and isinstance(process.call, Ingest)


def _is_late(state: State, process: Process) -> bool:
    """Whether it may be all that is left of its execution, which the item does not know: it
    remembers the last that ended red, and of twins nothing.
    """
    return process.twin or (process.zombie and len(state.dead) > 1)
