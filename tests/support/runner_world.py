"""What the functions of `runner_code` share, as a value: the item, the inbox, the bus, the clock.

A step takes a state to another. Instants are whole seconds since the beginning.
"""

from typing import Any, Final, NamedTuple

from instep.pace import HIDDEN
from tests.support.one_item import Item, OneItem
from tests.support.runner_code import BEGINNING, Call, Question, Told

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
    """A function at work with the answers it has `told`, or (`until`) an execution that waits.

    `zombie`: its execution was aborted, and it goes on until the end of its round.
    """

    name: str
    call: Call
    began: int
    told: tuple[Told, ...] = ()
    until: int | None = None
    zombie: bool = False


class Event(NamedTuple):
    """An execution that starts when it arrives, named after its cause; `ended`: who ended red."""

    name: str
    ended: str = ""


class State(NamedTuple):
    """All that decides what can happen next, and what must not be forgotten of what did.

    `events` are on their way: the execution that each starts, and which end it is told of. `faults`
    and `fates` are how many may still happen. `excused`: of an end that left work behind nobody
    was told, so the schedule may be needed; `schedules` is how often it was.
    """

    processes: tuple[Process, ...]
    item: Item = ()
    inbox: tuple[Message, ...] = ()
    events: tuple[Event, ...] = ()
    now: int = 0
    faults: int = 0
    lies: int = 0
    fates: int = 0
    born: int = 0
    dead: tuple[str, ...] = ()
    lapsed: int = 0
    excused: bool = False
    schedules: int = 0


class Role(NamedTuple):
    """What the item says of the role."""

    runner: str | None
    until: int
    queued: int
    deaths: int

    @classmethod
    def of(cls, item: Item) -> "Role":
        found = {name: value for name, _, value in item}
        until = float(found["until"]) - BEGINNING.timestamp() if "until" in found else -1
        queued, deaths = int(found.get("queued", 0)), int(found.get("deaths", 0))
        return cls(found.get("runner"), int(until), queued, deaths)

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
    who = process.name
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
                Effect(on_its_way(state, f"of {who}"), True),
                Effect(state, False, "the bus refuses"),
            ]
        case Question("start"):
            return [Effect(on_its_way(state, f"of {who}"))]
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


def on_its_way(state: State, name: str, ended: str = "") -> State:
    """The state with an event more; a name that is known gets a mark more."""
    known = {one.name for one in (*state.processes, *state.events)} | set(state.dead)
    while name in known:
        name += "'"
    return state._replace(events=tuple(sorted((*state.events, Event(name, ended)))))


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
    """What is so, and for once the untruth that there is nothing."""
    true = Effect(after, answer)
    if not state.lies or answer == nothing:
        return [true]
    return [true, Effect(state._replace(lies=state.lies - 1), nothing)]


def _depth(state: State) -> tuple[int, int, int]:
    hidden = [one for one in state.inbox if one.visible_at > state.now]
    taken = sum(one.taken for one in hidden)
    return len(state.inbox) - len(hidden), taken, len(hidden) - taken
