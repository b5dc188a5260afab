"""Every Retry, Catch and Choice edge of a state machine, read from its definition, and which of
them a run took: a new edge has no test until a case is found that takes it.

A run is the list of its task calls. That is what both interpreters can tell: the definition is
walked along the calls, and where a Choice leads is seen from what was called next.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

States: TypeAlias = Mapping[str, Mapping[str, Any]]

EVERYTHING = frozenset({"States.ALL", "States.TaskFailed"})
_END = "end of the item"


class RunNotOfDefinition(AssertionError):
    """The calls cannot come from this definition: the interpreter and it disagree."""


@dataclass(frozen=True, order=True)
class Edge:
    """One way out of a state: `label` is the clause's errors, or where the choice leads."""

    state: str
    kind: Literal["Retry", "Catch", "Choice"]
    label: str

    def __str__(self) -> str:
        return f"{self.state}-{self.kind}-{self.label}"


@dataclass(frozen=True)
class Call:
    """One call of a task: the error it ended with, and the Map item it belonged to."""

    state: str
    error: str | None = None
    item: str | None = None


def all_states(definition: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return every state by name, those inside Maps too (names are unique over a definition)."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, state in definition["States"].items():
        found[name] = state
        inner = _item_machine(state)
        if inner is not None:
            found |= all_states(inner)
    return found


def edges_of(definition: Mapping[str, Any]) -> list[Edge]:
    """Return every Retry, Catch and Choice edge of the definition, in a stable order."""
    return sorted(
        edge for name, state in all_states(definition).items() for edge in _of(name, state)
    )


def errors_of(edge: Edge) -> list[str]:
    """Return the error names of a Retry or Catch edge."""
    return edge.label.split("|")


def edges_taken(
    definition: Mapping[str, Any], calls: Sequence[Call], *, succeeded: bool
) -> set[Edge]:
    """Return the edges a run took that made `calls` in this order and ended as said.

    RunNotOfDefinition when the definition cannot make such a run. Calls of several Map items may
    interleave if `Call.item` tells them apart.
    """
    run = _Run(list(calls), "Succeed" if succeeded else "Fail")
    _walk(definition, run)
    if run.calls:
        raise RunNotOfDefinition(f"calls after the end: {run.calls}")
    return run.taken


class _Run:
    """What is left of the observed run, and the edges seen so far."""

    def __init__(self, calls: list[Call], end: str, taken: set[Edge] | None = None) -> None:
        self.calls, self.end = calls, end
        self.taken: set[Edge] = set() if taken is None else taken

    def next(self) -> str:
        return self.calls[0].state if self.calls else self.end

    def take(self, name: str) -> Call:
        if self.next() != name or not self.calls:
            raise RunNotOfDefinition(f"{name} must be called, but next was {self.next()}")
        return self.calls.pop(0)


def _walk(machine: Mapping[str, Any], run: _Run) -> None:
    """Follow the machine along the run until a state ends it or an error leaves it."""
    states: States = machine["States"]
    name: str | None = machine["StartAt"]
    while name is not None:
        state = states[name]
        match state["Type"]:
            case "Task":
                name = _task(name, state, run)
            case "Choice":
                name = _choice(name, state, states, run)
            case "Map":
                _map(state, run)
                name = state.get("Next")
            case "Succeed" | "Fail":
                return
            case _:
                name = state.get("Next")


def _task(name: str, state: Mapping[str, Any], run: _Run) -> str | None:
    tried: dict[int, int] = {}
    while True:
        error = run.take(name).error
        if error is None:
            following: str | None = state.get("Next")
            return following
        clause = _matching(state.get("Retry", []), error)
        if clause is not None:
            index, retrier = clause
            tried[index] = tried.get(index, 0) + 1
            if tried[index] <= retrier.get("MaxAttempts", 3):
                run.taken.add(Edge(name, "Retry", _errors(retrier)))
                continue
        caught = _matching(state.get("Catch", []), error)
        if caught is None:
            return None
        run.taken.add(Edge(name, "Catch", _errors(caught[1])))
        target: str = caught[1]["Next"]
        return target


def _choice(name: str, state: Mapping[str, Any], states: States, run: _Run) -> str:
    possible = [target for target in _targets(state) if run.next() in _first(states, target)]
    if len(possible) != 1:
        raise RunNotOfDefinition(f"{name} leads to {possible or 'nothing'} before {run.next()}")
    run.taken.add(Edge(name, "Choice", possible[0]))
    return possible[0]


def _map(state: Mapping[str, Any], run: _Run) -> None:
    machine = _item_machine(state)
    assert machine is not None
    inside = all_states(machine)
    own: list[Call] = []
    while run.calls and run.calls[0].state in inside:
        own.append(run.calls.pop(0))
    for item in dict.fromkeys(call.item for call in own):
        calls = [call for call in own if call.item == item]
        one = _Run(calls, _END, run.taken)
        _walk(machine, one)
        if one.calls:
            raise RunNotOfDefinition(f"calls after the item's end: {one.calls}")


def _first(states: States, name: str | None, seen: frozenset[str] = frozenset()) -> set[str]:
    """Return what may be observed first from `name` on: a task, or how the run or item ends."""
    if name is None:
        return {_END}
    if name in seen:
        return set()
    state = states[name]
    match state["Type"]:
        case "Task":
            return {name}
        case "Succeed" | "Fail" as end:
            return {end, _END}
        case "Map":
            machine = _item_machine(state)
            assert machine is not None
            return _first(machine["States"], machine["StartAt"])
        case "Choice":
            ways = [_first(states, target, seen | {name}) for target in _targets(state)]
            return set().union(*ways)
        case _:
            return _first(states, state.get("Next"), seen | {name})


def _of(name: str, state: Mapping[str, Any]) -> Iterator[Edge]:
    for retrier in state.get("Retry", []):
        yield Edge(name, "Retry", _errors(retrier))
    for catcher in state.get("Catch", []):
        yield Edge(name, "Catch", _errors(catcher))
    if state["Type"] == "Choice":
        for target in _targets(state):
            yield Edge(name, "Choice", target)


def _targets(choice: Mapping[str, Any]) -> list[str]:
    rules = [rule["Next"] for rule in choice["Choices"]]
    default = [choice["Default"]] if "Default" in choice else []
    return list(dict.fromkeys(rules + default))


def _matching(
    clauses: Sequence[Mapping[str, Any]], error: str
) -> tuple[int, Mapping[str, Any]] | None:
    for index, clause in enumerate(clauses):
        names = set(clause["ErrorEquals"])
        if error in names or names & EVERYTHING:
            return index, clause
    return None


def _errors(clause: Mapping[str, Any]) -> str:
    return "|".join(clause["ErrorEquals"])


def _item_machine(state: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return state.get("ItemProcessor") or state.get("Iterator")
