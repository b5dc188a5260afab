"""A scenario: a way to bring trouble about, and the edges of the definitions that it promises."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from tests.support.deployed import DeployedApp
from tests.support.edges import Edge, Machines, edges_of, errors_of

Trouble = Callable[[DeployedApp], AbstractContextManager[object]]


@dataclass(frozen=True)
class Promise:
    """An edge by what it is about: an error it must name, or the state a choice leads to."""

    machine: str
    state: str
    kind: str
    word: str

    def find(self, machines: Machines) -> Edge:
        """Return the definitions' edge; AssertionError when they have none such."""
        place = (self.machine, self.state, self.kind)
        for edge in edges_of(machines):
            if (edge.machine, edge.state, edge.kind) == place and self.word in errors_of(edge):
                return edge
        raise AssertionError(f"the definitions have no {self}")


@dataclass(frozen=True)
class Scenario:
    """One kind of trouble. `fails`: the execution itself must fail. `case`: a mocked answer of
    the platform, which no function can give. `pasted`: the change comes as the execution's input;
    `synced`: it is lost, and the execution goes through the whole table.
    """

    name: str
    promises: tuple[Promise, ...]
    trouble: Trouble = field(default=lambda _: nullcontext())
    fails: bool = False
    changed: bool = True
    queued: bool = True
    pasted: bool = False
    synced: bool = False
    case: str = ""
