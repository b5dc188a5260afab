"""The runner and its round: what one hands the other, how long each may take, what each logs."""

import json
import re
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest

from instep.flow.sync import segments
from instep.lambda_.payloads import Next, ParseAnswer, ParseRequest, SettleAnswer, Tally
from instep.lambda_.sync_payloads import Sync
from tests.infrastructure.synthesis import Machine, Synthesized
from tests.infrastructure.test_state_machine import PATIENCE

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHARED = ["EachCollection", "SettleBatch", "NotSettled"]


def machines(app: Synthesized) -> dict[str, Machine]:
    return {"runner": app.runner, "round": app.round}


def resource(app: Synthesized, kind: str) -> dict[str, Any]:
    (found,) = (
        one
        for one in app.resources("AWS::StepFunctions::StateMachine").values()
        if one["StateMachineType"] == kind
    )
    return found


@pytest.mark.parametrize(("kind", "level"), [("STANDARD", "ALL"), ("EXPRESS", "ERROR")])
def test_both_are_traced_and_log_without_data(app: Synthesized, kind: str, level: str) -> None:
    machine = resource(app, kind)
    assert machine["TracingConfiguration"] == {"Enabled": True}
    assert machine["LoggingConfiguration"]["Level"] == level
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False


def test_each_has_a_role_and_a_log_group_of_its_own_under_the_prefix_of_aws(
    app: Synthesized,
) -> None:
    found = app.resources("AWS::StepFunctions::StateMachine").values()
    assert len({json.dumps(one["RoleArn"]) for one in found}) == len(found) == 2
    groups = [
        group["LogGroupName"]
        for name, group in app.resources("AWS::Logs::LogGroup").items()
        if name.startswith("Workflow")
    ]
    assert sorted(groups) == [
        "/aws/vendedlogs/states/Instep",
        "/aws/vendedlogs/states/Instep-round",
    ]


def test_a_round_ends_within_what_express_allows_and_the_runner_waits_for_its_end(
    app: Synthesized,
) -> None:
    assert app.round["TimeoutSeconds"] == 300
    assert app.round["TimeoutSeconds"] / 2 >= PATIENCE
    waited = app.runner["States"]["Round"]["TimeoutSeconds"]
    assert 0 < waited - app.round["TimeoutSeconds"] <= 60


def test_the_runner_outlives_a_large_round_and_its_fold_begun_in_its_last_minute(
    app: Synthesized,
) -> None:
    """It hands over after an hour; each of three attempts may die twice in its whole time."""
    hand_over = 3600
    states = {name: state for (machine, name), state in app.states().items() if machine == "runner"}
    steps = sum(
        states[name]["TimeoutSeconds"]
        for name in ("AcquireLock", "ApplyUpdates", "UploadSnapshot", "ReleaseLock", "SettleBatch")
    )
    fold = states["FoldSnapshot"]["TimeoutSeconds"] + 3 * sum(
        states[name]["TimeoutSeconds"] for name in ("LockToFold", "ReleaseLockAfterFold")
    )
    assert app.runner["TimeoutSeconds"] > hand_over + 3 * 3 * steps + fold


def test_the_round_is_started_with_all_of_the_runners_state_and_answers_with_its_own(
    app: Synthesized,
) -> None:
    task = app.runner["States"]["Round"]
    assert task["Resource"] == "arn:aws:states:::aws-sdk:sfn:startSyncExecution"
    assert task["Parameters"]["Input.$"] == "States.JsonToString($)"
    assert task["ResultSelector"] == {"state.$": "States.StringToJson($.Output)"}
    assert task["OutputPath"] == "$.state"
    started = task["Parameters"]["StateMachineArn"].rpartition(":")[2]
    kinds = app.resources("AWS::StepFunctions::StateMachine")
    assert kinds[started]["StateMachineType"] == "EXPRESS"


def test_small_and_large_differ_in_their_patience_alone(app: Synthesized) -> None:
    """So what holds of a batch on one machine's path holds of it on the other's."""
    small, large = (
        json.loads(json.dumps({name: machine["States"][name] for name in SHARED}))
        for machine in (app.round, app.runner)
    )
    assert small["SettleBatch"].pop("Next") == "Settled"
    assert large["SettleBatch"].pop("Next") == "Next?"
    assert small["NotSettled"].pop("Next") == "Settled"
    assert large["NotSettled"].pop("Next") == "Next?"
    patience = [
        {key: item.pop(key) for key in ("TimeoutSeconds", "Retry")}
        for item in (
            machine["EachCollection"]["ItemProcessor"]["States"]["ApplyUpdates"]
            for machine in (small, large)
        )
    ]
    assert small == large
    assert patience[0]["Retry"] == patience[1]["Retry"][: len(patience[0]["Retry"])]
    assert patience[0]["TimeoutSeconds"] < patience[1]["TimeoutSeconds"]


@pytest.mark.parametrize(("choice", "what"), [("Next?", "next"), ("AfterFold?", "then")])
def test_an_answer_that_says_nothing_known_ends_the_execution_red(
    app: Synthesized, choice: str, what: str
) -> None:
    """Without a default it is States.NoChoiceMatched; green is said, never assumed."""
    state = app.runner["States"][choice]
    assert "Default" not in state
    said = {
        rule["StringEquals"]: rule["Next"] for rule in state["Choices"] if "StringEquals" in rule
    }
    assert {rule["Variable"] for rule in state["Choices"] if "StringEquals" in rule} == {
        f"$.{what}"
    }
    assert said["end"] == "Succeeded"
    if what == "next":
        assert said.keys() == set(Next)
    assert [rule["Next"] for rule in state["Choices"] if "StringEquals" not in rule] == [
        "RunFailed"
    ]


def test_the_outcome_fails_with_the_cause_of_settle_batch(app: Synthesized) -> None:
    failed = app.runner["States"]["RunFailed"]
    assert (failed["Error"], failed["CausePath"]) == ("CompactionFailed", "$.tally.cause")


def test_the_pause_is_the_answers(app: Synthesized) -> None:
    pause = app.runner["States"]["Pause"]
    assert (pause["Type"], pause["SecondsPath"]) == ("Wait", "$.pause")


def test_a_batch_that_cannot_be_settled_ends_the_run_red_with_the_cause(app: Synthesized) -> None:
    """By the same way as any failure, so that its end is followed and an alarm tells of it."""
    for machine in machines(app).values():
        settle, left = machine["States"]["SettleBatch"], machine["States"]["NotSettled"]
        assert settle["Catch"] == [
            {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "NotSettled"}
        ]
        assert left["Parameters"]["tally"] == {"failures": 1, "cause.$": "$.error.Cause"}


def test_what_the_states_read_the_answers_have(app: Synthesized) -> None:
    """Of the two states that an answer of ParseBatch or SettleBatch is handed on to."""
    parsed = ParseAnswer("run", NOW, Tally(), Next.WORK, NOW).to_payload()
    settled = SettleAnswer("run", NOW, Tally(), Next.LOOK, 0, []).to_payload()
    after_parse = ["Next?", "Pause", "EachCollection", "SettleBatch", "RunFailed"]
    after_settle = ["Next?", "Pause", "EachFold", "AfterFold?", "RunFailed"]
    sync = Sync(["words"], segments(1))
    synced = ParseAnswer("run", NOW, Tally(), Next.SYNC, NOW, sync=sync).to_payload()
    tidying = ParseAnswer("run", NOW, Tally(), Next.FOLD, NOW, folds=["words"]).to_payload()
    answers = (
        (after_parse, parsed),
        (after_settle, settled),
        (["EachSegment"], synced),
        (["EachFold", "AfterFold?", "Pause"], tidying),
    )
    for names, answer in answers:
        for name in names:
            for state in (machine["States"].get(name, {}) for machine in machines(app).values()):
                outer = {key: value for key, value in state.items() if key != "ItemProcessor"}
                read = set(re.findall(r'"\$\.(\w+)', json.dumps(outer)))
                assert read - {"outcomes", "error"} <= answer.keys(), name
    given = set(app.round["States"]["ParseBatch"]["Parameters"])
    assert {key.removesuffix(".$") for key in given} == {
        "input" if field.name == "content" else field.name for field in fields(ParseRequest)
    }
    first = app.runner["States"]["ParseBatch"]["Parameters"]
    assert first["tally"] == Tally().to_payload()
