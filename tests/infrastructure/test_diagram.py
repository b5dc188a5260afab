"""The README's picture: drawn from a definition, every state and every edge in it."""

import pytest

from stacks.packages import ROOT
from tests.infrastructure.synthesis import Synthesized
from tools.diagram import mermaid, redraw


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
                        }
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


def test_every_state_of_the_app_is_in_the_picture(app: Synthesized) -> None:
    drawn = mermaid(app.definition)
    for name in app.states():
        assert name.removesuffix("?") in drawn
    assert "UploadSnapshot --> Attempts : SnapshotConflict" in drawn


def test_the_readme_s_picture_is_current(app: Synthesized) -> None:
    readme = (ROOT / "README.md").read_text()

    assert redraw(readme, app.definition) == readme, "run `make picture`"


def test_a_document_without_a_place_for_a_picture_is_refused(app: Synthesized) -> None:
    with pytest.raises(ValueError, match="one Mermaid block"):
        redraw("# No picture\n", app.definition)
