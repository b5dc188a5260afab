"""Every Retry, Catch and Choice edge of the state machines, read from their definitions, and which
of them a run took: a new edge has no test until a case is found that takes it.

A run is an execution of each machine that had a part in it, and an execution the list of its calls:
of functions, of other executions, and its waits. That is what both interpreters can tell: the
definition is walked along the calls, and where a Choice leads is seen from what was called next.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from instep.cdk.definitions import inner_machine, states_of

States: TypeAlias = Mapping[str, Mapping[str, Any]]
Machines: TypeAlias = Mapping[str, Mapping[str, Any]]

RUNTIME = "States.Runtime"  # ends an execution, whatever it catches
TIMEOUT = "States.Timeout"
_END = "end of the item"


class RunNotOfDefinition(AssertionError):
    """The calls cannot come from this definition: the interpreter and it disagree."""


@dataclass(frozen=True, order=True)
class Edge:
    """One way out of a state: `label` is the clause's errors, or where the choice leads."""

    machine: str
    state: str
    kind: Literal["Retry", "Catch", "Choice"]
    label: str

    def __str__(self) -> str:
        return f"{self.machine}-{self.state}-{self.kind}-{self.label}"


@dataclass(frozen=True)
class Call:
    """One call of a task, or a wait: the error it ended with, and the Map item it belonged to.

    An execution that was started and failed is a call that ended in States.Runtime.
    """

    state: str
    error: str | None = None
    item: str | None = None


@dataclass(frozen=True)
class Flow:
    """An execution of one machine: its calls in order, and how it ended."""

    machine: str
    calls: Sequence[Call]
    succeeded: bool


def all_states(definition: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return every state by name, those inside Maps too (names are unique over a definition)."""
    return dict(states_of(definition))


def edges_of(machines: Machines) -> list[Edge]:
    """Return every Retry, Catch and Choice edge of the machines, in a stable order."""
    return sorted(
        edge
        for machine, definition in machines.items()
        for name, state in states_of(definition)
        for edge in _of(machine, name, state)
    )


def errors_of(edge: Edge) -> list[str]:
    """Return the error names of a Retry or Catch edge."""
    return edge.label.split("|")


def edges_taken(machines: Machines, flows: Iterable[Flow]) -> set[Edge]:
    """Return the edges that a run took whose executions were these.

    RunNotOfDefinition when the definitions cannot make such a run. Calls of several Map items may
    interleave if `Call.item` tells them apart.
    """
    taken: set[Edge] = set()
    for flow in flows:
        run = _Run(flow.machine, list(flow.calls), "Succeed" if flow.succeeded else "Fail", taken)
        _walk(machines[flow.machine], run)
        if run.calls:
            raise RunNotOfDefinition(f"calls after the end: {run.calls}")
    return taken


class _Run:
    """What is left of an observed execution, and the edges seen so far."""

    def __init__(self, machine: str, calls: list[Call], end: str, taken: set[Edge]) -> None:
        self.machine, self.calls, self.end, self.taken = machine, calls, end, taken

    def next(self) -> str:
        return self.calls[0].state if self.calls else self.end

    def pop(self, name: str) -> Call:
        if self.next() != name or not self.calls:
            raise RunNotOfDefinition(f"{name} must be called, but next was {self.next()}")
        return self.calls.pop(0)

    def take(self, state: str, kind: Literal["Retry", "Catch", "Choice"], label: str) -> None:
        self.taken.add(Edge(self.machine, state, kind, label))


def _walk(machine: Mapping[str, Any], run: _Run) -> None:
    """Follow the machine along the run until a state ends it or an error leaves it."""
    states: States = machine["States"]
    name: str | None = machine["StartAt"]
    while name is not None:
        state = states[name]
        match state["Type"]:
            case "Task":
                name = _task(name, state, run)
            case "Wait":
                run.pop(name)
                name = state.get("Next")
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
        error = run.pop(name).error
        if error is None:
            following: str | None = state.get("Next")
            return following
        clause = _matching(state.get("Retry", []), error)
        if clause is not None:
            index, retrier = clause
            tried[index] = tried.get(index, 0) + 1
            if tried[index] <= retrier.get("MaxAttempts", 3):
                run.take(name, "Retry", _errors(retrier))
                continue
        caught = _matching(state.get("Catch", []), error)
        if caught is None:
            return None
        run.take(name, "Catch", _errors(caught[1]))
        target: str = caught[1]["Next"]
        return target


def _choice(name: str, state: Mapping[str, Any], states: States, run: _Run) -> str:
    possible = [target for target in _targets(state) if run.next() in _first(states, target)]
    if len(possible) != 1:
        raise RunNotOfDefinition(f"{name} leads to {possible or 'nothing'} before {run.next()}")
    run.take(name, "Choice", possible[0])
    return possible[0]


def _map(state: Mapping[str, Any], run: _Run) -> None:
    machine = inner_machine(state)
    assert machine is not None
    inside = all_states(machine)
    own: list[Call] = []
    while run.calls and run.calls[0].state in inside:
        own.append(run.calls.pop(0))
    for item in dict.fromkeys(call.item for call in own):
        calls = [call for call in own if call.item == item]
        one = _Run(run.machine, calls, _END, run.taken)
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
        case "Task" | "Wait":
            return {name}
        case "Succeed" | "Fail" as end:
            return {end, _END}
        case "Map":
            machine = inner_machine(state)
            assert machine is not None
            return _first(machine["States"], machine["StartAt"])
        case "Choice":
            ways = [_first(states, target, seen | {name}) for target in _targets(state)]
            return set().union(*ways)
        case _:
            return _first(states, state.get("Next"), seen | {name})


def _of(machine: str, name: str, state: Mapping[str, Any]) -> Iterator[Edge]:
    for retrier in state.get("Retry", []):
        yield Edge(machine, name, "Retry", _errors(retrier))
    for catcher in state.get("Catch", []):
        yield Edge(machine, name, "Catch", _errors(catcher))
    if state["Type"] == "Choice":
        for target in _targets(state):
            yield Edge(machine, name, "Choice", target)


def _targets(choice: Mapping[str, Any]) -> list[str]:
    rules = [rule["Next"] for rule in choice["Choices"]]
    default = [choice["Default"]] if "Default" in choice else []
    return list(dict.fromkeys(rules + default))


def _matching(
    clauses: Sequence[Mapping[str, Any]], error: str
) -> tuple[int, Mapping[str, Any]] | None:
    """Step Functions developer guide, "Error names": which clause answers an error."""
    for index, clause in enumerate(clauses):
        names = set(clause["ErrorEquals"])
        any_ = "States.ALL" in names or ("States.TaskFailed" in names and error != TIMEOUT)
        if error in names or (any_ and error != RUNTIME):
            return index, clause
    return None


def _errors(clause: Mapping[str, Any]) -> str:
    return "|".join(clause["ErrorEquals"])
