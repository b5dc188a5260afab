"""The README's picture: drawn from a definition, every state and every edge in it."""

import re
from typing import Any

import pytest

from instep.local.diagram import mermaid, redraw
from tests.infrastructure.synthesis import Synthesized
from tests.support.marks import ROOT


def test_a_small_machine_is_drawn_as_a_run_meets_it() -> None:
    drawn = mermaid(
        {
            "StartAt": "Ask?",
            "States": {
                "End": {"Type": "Fail"},
                "Each": {
                    "Type": "Map",
                    "Next": "End",
                    "ItemProcessor": {
                        "StartAt": "Work",
                        "States": {
                            "Work": {
                                "Type": "Task",
                                "End": True,
                                "Catch": [{"ErrorEquals": ["Boom", "Bang"], "Next": "Clean"}],
                            },
                            "Clean": {"Type": "Pass", "End": True},
                        },
                    },
                },
                "Ask?": {
                    "Type": "Choice",
                    "Choices": [
                        {
                            "And": [
                                {"Variable": "$.more", "BooleanEquals": True},
                                {"Variable": "$.round", "NumericLessThan": 3},
                            ],
                            "Next": "Each",
                        },
                        {"Variable": "$.next", "StringEquals": "end", "Next": "End"},
                    ],
                    "Default": "End",
                },
            },
        }
    )
    assert drawn.splitlines() == [
        "stateDiagram-v2",
        "    [*] --> Ask",
        "    state Ask <<choice>>",
        "    Ask --> Each : more and round < 3",
        "    Ask --> End : next is end",
        "    Ask --> End : otherwise",
        "    state Each {",
        "        [*] --> Work",
        "        Work --> Clean : Boom, Bang",
        "        Work --> [*]",
        "        Clean --> [*]",
        "    }",
        "    Each --> End",
        "    End --> [*]",
    ]


def machine_with(work: str) -> dict[str, Any]:
    item = {"StartAt": work, "States": {work: {"Type": "Task", "End": True}}}
    each = {"Type": "Map", "End": True, "ItemProcessor": item}
    return {"StartAt": "Each", "States": {"Each": each}}


def test_a_map_that_another_picture_shows_is_left_closed() -> None:
    shown = mermaid(machine_with("Work"))
    assert mermaid(machine_with("Work"), [shown]).splitlines() == [
        "stateDiagram-v2",
        "    [*] --> Each",
        "    Each --> [*]",
    ]
    assert "Other" in mermaid(machine_with("Other"), [shown])


def test_a_condition_it_cannot_show_is_refused() -> None:
    rule = {"Variable": "$.x", "StringMatches": "*", "Next": "Done"}
    machine = {
        "StartAt": "Ask",
        "States": {
            "Ask": {"Type": "Choice", "Choices": [rule]},
            "Done": {"Type": "Succeed"},
        },
    }
    with pytest.raises(ValueError, match="StringMatches"):
        mermaid(machine)


def test_every_state_of_the_app_is_in_the_pictures(app: Synthesized) -> None:
    shown = mermaid(app.round)
    drawn = {"round": shown, "runner": mermaid(app.runner, [shown]) + shown}
    for machine, name in app.states():
        assert re.search(rf"\b{name.removesuffix('?')}\b", drawn[machine]), name
    assert "UploadSnapshot --> Attempts : SnapshotConflict" in shown
    assert "Next --> EachFold : next is fold" in drawn["runner"]


def test_the_readme_s_pictures_are_current(app: Synthesized) -> None:
    readme = (ROOT / "README.md").read_text()

    assert redraw(readme, app.runner, app.round) == readme, "run `make picture`"


def test_a_document_without_a_place_for_each_picture_is_refused(app: Synthesized) -> None:
    with pytest.raises(ValueError, match="two state diagrams"):
        redraw("```mermaid\nstateDiagram-v2\n```\n", app.runner, app.round)
