"""States entered by an execution, which is what a Standard workflow is billed for, retries too.

The local cloud's history keeps of a Map's items the calls of their functions alone. The states
between two calls are added from the definition: the longest way there is, so never too few.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

States: TypeAlias = Mapping[str, Mapping[str, Any]]

TASK_EVENTS = 5  # in AWS's history, with Lambda's own
OTHER_EVENTS = 2


@dataclass(frozen=True)
class Entered:
    """So many states entered at an instant (epoch seconds), and AWS's events of the history."""

    at: float
    states: int
    events: int


def entered(
    definition: Mapping[str, Any], history: Iterable[Mapping[str, Any]]
) -> Iterator[Entered]:
    """Yield the states entered over an execution's history, as get_execution_history returns it."""
    beside = _beside_calls(definition["States"])
    for event in history:
        kind, at = event["type"], event["timestamp"].timestamp()
        if kind == "TaskScheduled":  # once a try
            more = beside.get(event["taskScheduledEventDetails"]["resource"], 0)
            yield Entered(at, 1 + more, TASK_EVENTS + more * OTHER_EVENTS)
        elif kind.endswith("StateEntered") and kind != "TaskStateEntered":
            yield Entered(at, 1, OTHER_EVENTS)


def _beside_calls(states: States) -> dict[str, int]:
    """Map the function of each state inside a Map to the states without a call that come with it:
    those before it, and after the last one those up to the item's end.
    """
    found: dict[str, int] = {}
    for state in states.values():
        machine = state.get("ItemProcessor") or state.get("Iterator")
        if machine:
            found |= _of_item(machine["States"], machine["StartAt"])
            found |= _beside_calls(machine["States"])
    return found


def _of_item(states: States, start: str) -> dict[str, int]:
    tasks = {name: state["Resource"] for name, state in states.items() if state["Type"] == "Task"}
    before = dict.fromkeys(tasks, 0)
    after = dict.fromkeys(tasks, 0)
    for task in (None, *tasks):
        ways = list(_ways(states, [start] if task is None else _following(states[task])))
        for end, steps in ways:
            if end is not None:
                before[end] = max(before[end], steps)
        if task is not None and all(end is None for end, _ in ways):
            after[task] = max((steps for _, steps in ways), default=0)
    found: dict[str, int] = {}
    for name, resource in tasks.items():
        found[resource] = max(found.get(resource, 0), before[name] + after[name])
    return found


def _ways(states: States, first: Iterable[str], steps: int = 0) -> Iterator[tuple[str | None, int]]:
    """Yield the task (None: the item's end) at the end of each way without a call, and its length.

    A circle without a call, which would never end, is not taken twice.
    """
    for name in first:
        state = states[name]
        if state["Type"] == "Task":
            yield name, steps
        elif not (following := _following(state)):
            yield None, steps + 1
        elif steps < len(states):
            yield from _ways(states, following, steps + 1)


def _following(state: Mapping[str, Any]) -> list[str]:
    """Return where a state leads when nothing fails."""
    chosen = [choice["Next"] for choice in state.get("Choices", ())]
    return [*chosen, *(state[key] for key in ("Default", "Next") if key in state)]
