"""The synthesized definitions on moto's interpreter: where choices lead, and what that costs."""

from typing import Any

import pytest

from instep.costs import counted
from instep.errors import LeaseLost
from tests.support.edges import Edge
from tests.support.interpreter import RECEIPT, Interpreter
from tests.support.ways import ROUND, RUNNER


def test_an_idle_start_ends_at_once(machine: Interpreter) -> None:
    execution = machine.run()
    assert execution.states == ["ParseBatch"]
    assert (
        execution.transitions == counted.IDLE_START["transitions"] == 3
    )  # ParseBatch, Next?, Succeeded
    assert Edge(RUNNER, "Next?", "Choice", "Succeeded") in execution.edges


def test_a_change_costs_eight_transitions_and_each_further_round_three(
    machine: Interpreter,
) -> None:
    machine.arrive()
    first = machine.run(name="first")
    assert first.transitions == 8  # an idle start's, and twice Round and Next?, and a Pause
    assert counted.ALONE["transitions"] == 8, "what a change that comes alone is taken to cost"
    assert (first.output["tally"]["looks"], first.output["tally"]["rounds"]) == (2, 1)
    machine.pipeline.ingest(machine.pipeline.put(RECEIPT.label(1, "TOTAL", "VALID")))
    machine.fail(ROUND, "ApplyUpdates", LeaseLost.__name__, times=4)
    steady = machine.run(name="steady")
    assert steady.output["tally"]["rounds"] == 5
    looks = steady.output["tally"]["looks"]
    assert steady.transitions == 8 + counted.ROUND["transitions"] * (looks - 2)
    assert steady.states.count("Pause") == looks - 1
    machine.settled()


def test_nothing_changed_publishes_nothing(machine: Interpreter) -> None:
    machine.arrive()
    machine.run(name="first")
    for where in (ROUND, RUNNER):
        machine.pipeline.ingest(machine.pipeline.put(RECEIPT.label(99, f"NONE {where}", "VALID")))
        if where == RUNNER:
            machine.after_a_death()
        execution = machine.run(name=where)
        assert "UploadSnapshot" not in execution.states
        assert Edge(where, "Changed?", "Choice", "Applied") in execution.edges
    machine.settled()


def test_what_comes_while_a_round_works_is_the_next_ones_batch(machine: Interpreter) -> None:
    machine.arrive()
    late = machine.pipeline.put(RECEIPT.label(1, "TOTAL", "VALID"))
    upload = machine.pipeline.handler("upload_snapshot")

    def upload_meanwhile(event: dict[str, Any], context: Any) -> dict[str, Any]:
        machine.pipeline.ingest([late.pop()] if late else [])
        return upload(event, context)

    machine.pipeline.handlers["upload_snapshot"] = upload_meanwhile
    execution = machine.run()
    assert execution.output["tally"]["rounds"] == 2
    assert Edge(ROUND, "HasWork?", "Choice", "EachCollection") in execution.edges
    assert Edge(ROUND, "HasWork?", "Choice", "Looked") in execution.edges
    machine.settled()


def test_pasted_records_are_worked_on_beside_the_inbox(machine: Interpreter) -> None:
    machine.arrive()
    (record,) = machine.pipeline.put(RECEIPT.label(1, "TOTAL", "VALID"))
    execution = machine.run({"Records": [record]})
    assert execution.states.count("ParseBatch") == 1
    assert execution.transitions == 5  # ParseBatch, Next?, Round, Next?, Succeeded
    machine.settled()


@pytest.mark.parametrize("content", ["text", [1], {"unknown": 1}, {"Records": 7}, "x" * 200_000])
def test_input_of_no_accepted_shape_fails_with_a_cause_that_teaches(
    machine: Interpreter, content: object
) -> None:
    execution = machine.run(content)
    assert (execution.status, execution.error) == ("FAILED", "InputRejected")
    assert "drains the inbox" in execution.cause
    assert "For example" in execution.cause
