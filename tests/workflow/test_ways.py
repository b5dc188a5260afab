"""The tests on moto's interpreter leave nothing of the definitions out: a new edge, error or task
fails here until something takes it.
"""

from collections.abc import Mapping
from typing import Any

from tests.support.edges import all_states, edges_of, errors_of
from tests.support.ways import FUNCTIONS, RUNNER, WAYS, Way


def test_every_edge_and_every_error_name_has_a_test(machines: Mapping[str, Any]) -> None:
    found = {
        Way(edge.machine, edge.state, edge.kind, word)
        for edge in edges_of(machines)
        for word in (errors_of(edge) if edge.kind != "Choice" else [edge.label])
    }
    assert found == WAYS


def test_every_task_has_a_handler(machines: Mapping[str, Any]) -> None:
    tasks = {
        (machine, name)
        for machine, definition in machines.items()
        for name, state in all_states(definition).items()
        if state["Type"] == "Task"
    }
    assert tasks == {*FUNCTIONS, (RUNNER, "Round")}
