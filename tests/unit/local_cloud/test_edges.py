"""Which edges a run took is read from its calls and nothing else (tests/support/edges.py)."""

from typing import Any

import pytest

from tests.support.edges import Call, Edge, Flow, RunNotOfDefinition, edges_of, edges_taken

RETRY_BUSY = {"ErrorEquals": ["Busy"], "MaxAttempts": 1}
RETRY_DEATH = {"ErrorEquals": ["Died", "TimedOut"], "MaxAttempts": 2}
RETRY_START = {"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 3}
DEFINITION: dict[str, Any] = {
    "StartAt": "Parse",
    "States": {
        "Parse": {"Type": "Task", "Next": "Work?"},
        "Work?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.work", "BooleanEquals": True, "Next": "Each"}],
            "Default": "Outcome?",
        },
        "Each": {
            "Type": "Map",
            "Next": "Settle",
            "ItemProcessor": {
                "StartAt": "Lock",
                "States": {
                    "Lock": {
                        "Type": "Task",
                        "Next": "Apply",
                        "Retry": [RETRY_BUSY, RETRY_DEATH],
                        "Catch": [
                            {"ErrorEquals": ["Busy"], "Next": "Later"},
                            {"ErrorEquals": ["States.ALL"], "Next": "Bad"},
                        ],
                    },
                    "Apply": {"Type": "Task", "Next": "Changed?"},
                    "Changed?": {
                        "Type": "Choice",
                        "Choices": [{"Variable": "$.c", "BooleanEquals": True, "Next": "Upload"}],
                        "Default": "Done",
                    },
                    "Upload": {
                        "Type": "Task",
                        "Next": "Done",
                        "Catch": [{"ErrorEquals": ["Conflict"], "Next": "Again?"}],
                    },
                    "Again?": {
                        "Type": "Choice",
                        "Choices": [{"Variable": "$.n", "NumericLessThan": 3, "Next": "Apply"}],
                        "Default": "Later",
                    },
                    "Later": {"Type": "Pass", "Next": "Release"},
                    "Bad": {"Type": "Pass", "Next": "Release"},
                    "Done": {"Type": "Pass", "Next": "Release"},
                    "Release": {"Type": "Task", "End": True},
                },
            },
        },
        "Settle": {"Type": "Task", "Next": "More?"},
        "More?": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.more", "BooleanEquals": True, "Next": "Parse"},
                {"Variable": "$.later", "BooleanEquals": True, "Next": "Pause"},
                {"Variable": "$.round", "BooleanEquals": True, "Next": "Round"},
            ],
            "Default": "Outcome?",
        },
        "Pause": {"Type": "Wait", "SecondsPath": "$.pause", "Next": "Round"},
        "Round": {"Type": "Task", "Next": "Outcome?", "Retry": [RETRY_START]},
        "Outcome?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.f", "NumericGreaterThan": 0, "Next": "Failed"}],
            "Default": "Succeeded",
        },
        "Failed": {"Type": "Fail"},
        "Succeeded": {"Type": "Succeed"},
    },
}


CHILD: dict[str, Any] = {
    "StartAt": "Look",
    "States": {
        "Look": {"Type": "Task", "Next": "Found?"},
        "Found?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.work", "BooleanEquals": True, "Next": "Work"}],
            "Default": "Nothing",
        },
        "Nothing": {"Type": "Succeed"},
        "Work": {"Type": "Task", "End": True},
    },
}
MACHINES = {"main": DEFINITION, "child": CHILD}


def taken(*calls: str, succeeded: bool = True) -> set[str]:
    """Return the edges of the main machine that these calls take (`State!Error`)."""
    made = [Call(*call.split("!")) for call in calls]
    edges = edges_taken(MACHINES, [Flow("main", made, succeeded)])
    assert {edge.machine for edge in edges} <= {"main"}
    return {str(edge).removeprefix("main-") for edge in edges}


def test_every_clause_and_branch_is_an_edge() -> None:
    assert len(edges_of(MACHINES)) == 3 + 3 + 4 * 2 + 4 + 2
    assert Edge("main", "Lock", "Retry", "Died|TimedOut") in edges_of(MACHINES)
    assert Edge("main", "Changed?", "Choice", "Done") in edges_of(MACHINES)
    assert Edge("child", "Found?", "Choice", "Nothing") in edges_of(MACHINES)


def test_an_idle_run() -> None:
    assert taken("Parse") == {"Work?-Choice-Outcome?", "Outcome?-Choice-Succeeded"}


def test_a_wait_tells_one_way_from_the_other() -> None:
    item = ["Lock", "Apply", "Release"]
    assert "More?-Choice-Pause" in taken("Parse", *item, "Settle", "Pause", "Round")
    assert "More?-Choice-Round" in taken("Parse", *item, "Settle", "Round")


def test_an_execution_that_was_started_has_edges_of_its_own() -> None:
    item = ["Lock", "Apply", "Release"]
    flows = [
        Flow("child", [Call("Look")], succeeded=True),
        Flow("child", [Call("Look"), Call("Work", "Bad")], succeeded=False),
        Flow("main", [Call(one) for one in ["Parse", *item, "Settle", "Round"]], succeeded=True),
    ]
    found = {edge for edge in edges_taken(MACHINES, flows) if edge.machine == "child"}
    assert {edge.label for edge in found} == {"Nothing", "Work"}


def test_a_start_is_tried_again_but_what_was_started_and_failed_is_the_end() -> None:
    before = ["Parse", "Lock", "Apply", "Release", "Settle"]
    edges = taken(*before, "Round!Throttled", "Round!States.Runtime", succeeded=False)
    assert "Round-Retry-States.TaskFailed" in edges
    assert "Round-Retry-States.TaskFailed" not in taken(
        *before, "Round!States.Timeout", succeeded=False
    )
    with pytest.raises(RunNotOfDefinition):
        taken(*before, "Round!States.Runtime", "Round")


def test_retries_are_told_from_the_catch_that_ends_them() -> None:
    calls = ["Parse", "Lock!Busy", "Lock!Busy", "Release", "Settle"]
    assert taken(*calls) >= {"Lock-Retry-Busy", "Lock-Catch-Busy", "More?-Choice-Outcome?"}
    calls = ["Parse", "Lock!TimedOut", "Lock", "Apply", "Release", "Settle"]
    assert "Lock-Retry-Died|TimedOut" in taken(*calls)
    assert "Changed?-Choice-Done" in taken(*calls)
    calls = ["Parse", "Lock!Strange", "Release", "Settle"]
    assert taken(*calls, succeeded=False) >= {
        "Lock-Catch-States.ALL",
        "Outcome?-Choice-Failed",
    }


def test_a_conflict_leads_back_and_a_second_round_follows() -> None:
    item = ["Lock", "Apply", "Upload!Conflict", "Apply", "Upload", "Release"]
    edges = taken("Parse", *item, "Settle", "Parse", *item, "Settle")
    assert edges >= {"Upload-Catch-Conflict", "Again?-Choice-Apply", "More?-Choice-Parse"}


def test_items_that_interleave_are_told_apart_by_name() -> None:
    calls = [
        Call("Parse"),
        Call("Lock", item="lines"),
        Call("Lock", "Busy", item="words"),
        Call("Apply", item="lines"),
        Call("Lock", item="words"),
        Call("Release", item="lines"),
        Call("Apply", item="words"),
        Call("Upload", item="words"),
        Call("Release", item="words"),
        Call("Settle"),
    ]
    edges = edges_taken(MACHINES, [Flow("main", calls, succeeded=True)])
    assert {Edge("main", "Changed?", "Choice", to) for to in ("Done", "Upload")} <= edges


@pytest.mark.parametrize(
    "calls",
    [["Settle"], ["Parse", "Lock", "Settle"], ["Parse", "Lock", "Apply", "Release", "Release"]],
)
def test_a_run_that_the_definition_cannot_make_is_no_run(calls: list[str]) -> None:
    with pytest.raises(RunNotOfDefinition):
        taken(*calls)
