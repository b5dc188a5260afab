"""States entered, counted from a history that keeps of a Map's items only their functions."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from benchmarks.transitions import entered

MACHINE: dict[str, Any] = {
    "StartAt": "Begin",
    "States": {
        "Begin": {"Type": "Pass", "Next": "Parse"},
        "Parse": {"Type": "Task", "Resource": "parse", "Next": "Each"},
        "Each": {
            "Type": "Map",
            "Next": "Done",
            "ItemProcessor": {
                "StartAt": "Apply",
                "States": {
                    "Apply": {"Type": "Task", "Resource": "apply", "Next": "Changed?"},
                    "Changed?": {
                        "Type": "Choice",
                        "Choices": [{"Next": "Upload"}],
                        "Default": "Applied",
                    },
                    "Upload": {"Type": "Task", "Resource": "upload", "Next": "Due?"},
                    "Due?": {
                        "Type": "Choice",
                        "Choices": [{"Next": "Fold"}],
                        "Default": "Applied",
                    },
                    "Fold": {"Type": "Task", "Resource": "fold", "Next": "Applied"},
                    "Applied": {"Type": "Pass", "Next": "Release"},
                    "Release": {"Type": "Task", "Resource": "release", "Next": "Outcome"},
                    "Outcome": {"Type": "Pass", "End": True},
                },
            },
        },
        "Done": {"Type": "Succeed"},
    },
}


def history(*said: str) -> Iterator[dict[str, Any]]:
    """Events a second apart: `called NAME` is a function's, `entered TYPE NAME` a state's."""
    for number, text in enumerate(said):
        at = {"timestamp": datetime.fromtimestamp(number, UTC)}
        what, *words = text.split()
        if what == "called":
            yield at | {
                "type": "TaskScheduled",
                "taskScheduledEventDetails": {"resource": words[0]},
            }
        elif what == "entered":
            yield at | {
                "type": f"{words[0]}StateEntered",
                "stateEnteredEventDetails": {"name": words[1]},
            }
        else:
            yield at | {"type": text}


def count(*said: str) -> int:
    return sum(one.states for one in entered(MACHINE, history(*said)))


BEFORE = ("entered Pass Begin", "entered Task Parse", "called parse", "TaskStateExited")
AFTER = ("MapStateExited", "entered Succeed Done", "ExecutionSucceeded")


def test_two_items_side_by_side_are_counted_with_the_states_between_their_calls() -> None:
    """By hand: Begin, Parse, Each, Done; and twice Apply, Changed?, Upload, Due?, Applied, Release,
    Outcome.
    """
    items = ("called apply", "called apply", "called upload", "called upload")
    ends = ("called release", "called release")
    assert count(*BEFORE, "entered Map Each", *items, *ends, *AFTER) == 4 + 2 * 7


def test_each_try_of_a_call_is_a_transition() -> None:
    assert count("entered Task Parse", "called parse", "TaskFailed", "called parse") == 2


def test_each_is_counted_when_it_happened() -> None:
    found = list(entered(MACHINE, history("entered Pass Begin", "ExecutionFoo", "called parse")))
    assert [(one.at, one.states) for one in found] == [(0.0, 1), (2.0, 1)]


def test_a_task_leaves_five_events_in_awss_history_and_any_other_state_two() -> None:
    found = entered(MACHINE, history("entered Pass Begin", "called parse", "called upload"))
    assert [one.events for one in found] == [2, 5, 7]
