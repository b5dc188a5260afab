"""What the functions of `runner_code` share, as a value: the item, the inbox, the bus, the clock.

A step takes a state to another. Instants are whole seconds since the beginning.
"""

from typing import Any, Final, NamedTuple

from instep.flow.pace import HIDDEN
from tests.support.one_item import Item, OneItem
from tests.support.runner_code import BEGINNING, Call, Ingest, Question, Told

HIDES: Final = int(HIDDEN.total_seconds())


class Message(NamedTuple):
    """A message, visible from an instant on; `by` whom it was put there and is not announced yet.

    `taken`: it was received, and is in flight while it is not visible.
    """

    name: str
    visible_at: int
    by: str
    taken: bool = False


class Process(NamedTuple):
    """A function at work with the answers it has `told`, or (`until`) one that is still to come.

    `zombie`: its execution was aborted, and it goes on until the end of its round. `twin`: it was
    tried again though it lives, and nobody hears what it comes to.
    """

    name: str
    call: Call
    began: int
    told: tuple[Told, ...] = ()
    until: int | None = None
    zombie: bool = False
    twin: bool = False

    @property
    def owner(self) -> str:
        """Whose function it is."""
        return self.call.name if isinstance(self.call, Ingest) else self.call.execution


class Event(NamedTuple):
    """An execution that starts when it arrives, named after its cause; `ended`: who ended red."""

    name: str
    ended: str = ""


class Doom(NamedTuple):
    """Before its next call, when it has been told just this ("": nothing) after so many rounds."""

    told: str
    rounds: int


class State(NamedTuple):
    """All that decides what can happen next, and what must not be forgotten of what did.

    `faults`, `lies` (of the inbox) and `fates` (other than to be applied) are how many may still
    happen; `doom` is where every execution dies.
    `dead` are those that did, `sterile` of them in a row before a round came to its end.
    `excused`: work was left behind and nobody was told, so that it waits for the schedule, or for
    a change after that instant. `lapsed` is the time that passed while somebody was paused.
    """

    processes: tuple[Process, ...]
    item: Item = ()
    inbox: tuple[Message, ...] = ()
    events: tuple[Event, ...] = ()
    now: int = 0
    faults: int = 0
    lies: int = 0
    fates: int = 0
    doom: Doom | None = None
    born: int = 0
    dead: tuple[str, ...] = ()
    sterile: int = 0
    lapsed: int = 0
    excused: int | None = None
    schedules: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left to do, and nobody to do it."""
        return not self.inbox and Role.of(self.item).runner is None

    def changed(self, process: Process, into: Process | None) -> "State":
        """The state with a process in the place of the one of that name, or none."""
        processes = [into if one.name == process.name else one for one in self.processes]
        return self._replace(processes=tuple(one for one in processes if one is not None))

    def joined(self, process: Process) -> "State":
        """The state with a process more."""
        processes: list[Process] = [*self.processes, process]
        processes.sort(key=lambda one: one.name)
        return self._replace(processes=tuple(processes))

    def awaiting(self, name: str, ended: str = "") -> "State":
        """The state with an event more; a name that is known gets a mark more."""
        known = {*(one.name for one in self.processes), *(one.name for one in self.events)}
        known |= set(self.dead)
        while name in known:
            name += "'"
        return self._replace(events=tuple(sorted((*self.events, Event(name, ended)))))

    def woken(self, now: int) -> "State":
        """The state at a later time, when who has waited until then goes on."""
        processes = [
            one._replace(until=None, began=now)
            if one.until is not None and one.until <= now
            else one
            for one in self.processes
        ]
        return self._replace(now=now, processes=tuple(processes))

    def with_less(self, what: str) -> "State":
        """The state in which one `faults`, `lies` or `fates` less may happen."""
        return self._replace(**{what: getattr(self, what) - 1})


class Role(NamedTuple):
    """What the item says of the role."""

    runner: str | None
    until: int
    queued: int

    @classmethod
    def of(cls, item: Item) -> "Role":
        found = {name: value for name, _, value in item}
        until = float(found["until"]) - BEGINNING.timestamp() if "until" in found else -1
        return cls(found.get("runner"), int(until), int(found.get("queued", 0)))

    @property
    def drains(self) -> bool:
        """Whether an execution has it."""
        return self.runner is not None and not self.runner.startswith("start:")


class Effect(NamedTuple):
    """What a call did, and was told. `fault`: AWS did not say what was so, or not at once."""

    after: State
    answer: Any = None
    fault: str | None = None


def effects(state: State, process: Process, question: Question, item: OneItem) -> list[Effect]:
    """Return every way the call may go; the processes are as before."""
    who = process.owner
    match question:
        case Question("UpdateItem", write):
            held, after = item.write(state.item, write)
            again = item.write(after, write)
            return [
                Effect(_written(state, after, who), (held, after)),
                Effect(
                    _written(state, again[1], who),
                    again,
                    "the answer was lost, and it is sent again",
                ),
            ]
        case Question("PutEvents"):
            return [
                Effect(state.awaiting(f"of {who}"), True),
                Effect(state, False, "the bus refuses"),
            ]
        case Question("start"):
            return [Effect(state.awaiting(f"of {who}"))]
        case Question("send", names, delay):
            return [Effect(_queued(state, names, state.now + delay, who))]
        case Question("drain"):
            return _drained(state)
        case Question("depth"):
            return _or_nothing(state, state, _depth(state), (0, 0, 0))
        case Question("delete", names):
            kept = tuple(one for one in state.inbox if one.name not in names)
            return [Effect(state._replace(inbox=kept))]
        case Question("hand_back", names):
            back = [
                Message(one.name, state.now, who, taken=True) if one.name in names else one
                for one in state.inbox
            ]
            return [Effect(state._replace(inbox=tuple(back)))]
    raise AssertionError(question)


def _written(state: State, item: Item, by: str) -> State:
    inbox = state.inbox
    if Role.of(item).queued > Role.of(state.item).queued:
        inbox = tuple(one._replace(by="") if one.by == by else one for one in inbox)
    return state._replace(item=item, inbox=inbox)


def _queued(state: State, names: tuple[str, ...], visible_at: int, by: str) -> State:
    """A name that is there already gets a mark more: it was sent again by a second try."""
    there = {one.name for one in state.inbox}
    new = []
    for name in names:
        while name in there:
            name += "'"
        new.append(Message(name, visible_at, by))
    return state._replace(inbox=tuple(sorted((*state.inbox, *new))))


def _drained(state: State) -> list[Effect]:
    found = tuple(one.name for one in state.inbox if one.visible_at <= state.now)
    inbox = [
        one._replace(visible_at=state.now + HIDES, taken=True) if one.name in found else one
        for one in state.inbox
    ]
    return _or_nothing(state, state._replace(inbox=tuple(inbox)), found, ())


def _or_nothing(state: State, after: State, answer: Any, nothing: Any) -> list[Effect]:
    """What is so, and for once the untruth that there is nothing.

    But of what a dead one has not announced nothing else knows.
    """
    true = Effect(after, answer)
    secret = any(one.by in state.dead for one in state.inbox)
    if not state.lies or secret or answer == nothing:
        return [true]
    return [true, Effect(state.with_less("lies"), nothing)]


def _depth(state: State) -> tuple[int, int, int]:
    hidden = [one for one in state.inbox if one.visible_at > state.now]
    taken = sum(one.taken for one in hidden)
    return len(state.inbox) - len(hidden), taken, len(hidden) - taken
