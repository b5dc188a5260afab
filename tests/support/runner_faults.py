"""What befalls the functions of `runner_code` and their executions: deaths, aborts, twins, and who
is told of an end.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from instep.flow.runner import DEATHS
from tests.support.runner_code import Ingest, Parse, Settle
from tests.support.runner_world import Process, Role, State

BY_HAND: Final = "hand"
"""The name of who puts a message into the inbox without a word."""
HEALS: Final = 240
"""Seconds after which a change finds no sign of life of what died unheard."""


class Step(NamedTuple):
    """What took a state to another."""

    how: tuple[Any, ...]
    after: State


def befalls(state: State, lapses: tuple[int, ...]) -> Iterator[Step]:
    """What may happen between any two calls."""
    state = state.with_less("faults")
    if any(one.until is None for one in state.processes) or state.events:
        for seconds in lapses:
            later = state.woken(state.now + seconds)
            yield Step((seconds, "s pass"), later._replace(lapsed=state.lapsed + seconds))
    for process in state.processes:
        if isinstance(process.call, Ingest) or process.zombie or process.twin:
            continue
        if not process.told and process.until is None:
            yield from dies(state, process, ())
        still = None if process.until is not None else process._replace(zombie=True)
        yield from _ends(state, process, still, (process.name, "is aborted"))


def dies(state: State, process: Process, made: tuple[Any, ...]) -> Iterator[Step]:
    """A function's process dies after a call: it is tried again, or was for the last time."""
    how = (*made, process.name, "dies")
    if process.zombie or process.twin:
        yield Step(how, state.changed(process, None))
        return
    if process.told:
        yield Step((*how, "and is tried again"), _again(state, process))
        twin = process._replace(name=f"{process.name}~", twin=True)
        both = _again(state, process).joined(twin)._replace(lies=0)
        yield Step((*how, "not, but is tried again"), both)
    if not isinstance(process.call, Ingest):
        yield from _ends(state, process, None, how)


def ends_red(state: State, process: Process, still: Process | None = None) -> State:
    """An execution ended red, and the rule of src/instep/cdk/triggers.py is told of it.

    `still` is what goes on of it.
    """
    left = state.changed(process, still)
    left = left._replace(dead=(*state.dead, process.name), sterile=state.sterile + 1)
    heard = left.awaiting(f"after {process.name}", process.name)
    return excused(heard) if _leaves_more(state, process) else heard


def excused(state: State) -> State:
    """The state when nobody will be told of what was left behind."""
    return state._replace(excused=state.now + HEALS)


def _ends(
    state: State, process: Process, still: Process | None, how: tuple[Any, ...]
) -> Iterator[Step]:
    """An execution ended red; it may be that nobody is told, and of some nobody ever is."""
    unheard = state.changed(process, still)._replace(dead=(*state.dead, process.name))
    yield Step((*how, "unheard"), excused(unheard))
    if not (isinstance(process.call, Parse) and process.call.ended):
        yield Step(how, ends_red(state, process, still))


def _again(state: State, process: Process) -> State:
    """Lambda or the workflow tries again. What a first try took is known by the depth alone."""
    lies = 0 if _took(process) else state.lies
    return state.changed(process, process._replace(told=(), began=state.now))._replace(lies=lies)


def _took(process: Process) -> bool:
    return any(told.verb == "drain" and told.answer for told in process.told)


def _leaves_more(state: State, process: Process) -> bool:
    """Whether it leaves more than the role behind (or somebody's wish that it was itself), or was
    one too many.
    """
    works = isinstance(process.call, Settle) or _took(process)
    left = works and Role.of(state.item).runner != process.name
    wished = any(one.by == BY_HAND for one in state.inbox)
    return left or wished or state.sterile >= DEATHS
