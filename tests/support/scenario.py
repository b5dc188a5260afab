"""A scenario: a way to bring trouble about, and the edges of the definition that it promises."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from tests.support.deployed import DeployedApp
from tests.support.edges import Edge, edges_of, errors_of

Trouble = Callable[[DeployedApp], AbstractContextManager[object]]


@dataclass(frozen=True)
class Promise:
    """An edge by what it is about: an error it must name, or the state a choice leads to."""

    state: str
    kind: str
    word: str

    def find(self, definition: Mapping[str, Any]) -> Edge:
        """Return the definition's edge; AssertionError when it has none such."""
        for edge in edges_of(definition):
            if (edge.state, edge.kind) == (self.state, self.kind) and self.word in errors_of(edge):
                return edge
        raise AssertionError(f"the definition has no {self}")


@dataclass(frozen=True)
class Scenario:
    """One kind of trouble. `fails`: the execution itself must fail. `case`: a mocked answer of
    the platform, which no function can give.
    """

    name: str
    promises: tuple[Promise, ...]
    trouble: Trouble = field(default=lambda _: nullcontext())
    fails: bool = False
    changed: bool = True
    queued: bool = True
    case: str = ""
