"""Every Retry, Catch and deadline is declared, by names that somebody really raises."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from instep import errors
from stacks.packages import ROOT
from tests.infrastructure.programs import run
from tests.infrastructure.synthesis import Synthesized
from tools.node import ensure_node_modules, path_with_node

# Step Functions developer guide, "Handling errors in Step Functions workflows"; Lambda's own
# names as "Best practices: Handle transient Lambda service exceptions" and Lambda's docs list them.
OF_AWS = {
    "States.ALL",
    "States.Timeout",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.EFSMountConnectivityException",
    "Lambda.EFSMountTimeoutException",
    "Lambda.EFSIOException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "Runtime.ExitError",
}
DEATHS = {"States.Timeout", "Lambda.Unknown", "Sandbox.Timedout", "Runtime.ExitError"}
TRANSIENT = OF_AWS - {"States.ALL"} | {"StorageUnavailable"}

# What a step may raise that no state names, and why that is meant.
UNNAMED = {
    "InputRejected": "ends the execution: its cause shows the accepted shapes",
    "SnapshotCorrupt": "never retried: States.ALL makes the collection Failed, the cause names "
    "`instep rollback`",
    "SnapshotUnsupported": "never retried: States.ALL makes the collection Failed",
    "ConfigurationMissing": "a deployment's fault: no retry cures it",
}
# Caught where they arise, as values in a result: they never leave a function.
VALUES = {"MessageRejected", "DeltaRejected"}
# Raised by what an operator starts, and by no step.
OF_COMMANDS = {"ImportRejected", "VersionRejected"}


def tasks(app: Synthesized) -> dict[str, dict[str, Any]]:
    return {name: state for name, state in app.states().items() if state["Type"] == "Task"}


def named(policies: list[dict[str, Any]]) -> list[str]:
    return [error for policy in policies for error in policy["ErrorEquals"]]


def in_the_map(app: Synthesized) -> dict[str, dict[str, Any]]:
    path: dict[str, dict[str, Any]] = app.definition["States"]["EachCollection"]["ItemProcessor"][
        "States"
    ]
    return path


def test_the_tasks_are_the_seven_steps(app: Synthesized) -> None:
    assert set(tasks(app)) == {
        "ParseBatch",
        "AcquireLock",
        "ApplyUpdates",
        "UploadSnapshot",
        "FoldSnapshot",
        "ReleaseLock",
        "SettleBatch",
    }


def test_every_task_retries_all_that_is_transient_each_name_once(app: Synthesized) -> None:
    for name, task in tasks(app).items():
        retried = named(task["Retry"])
        expected = TRANSIENT - DEATHS if name == "FoldSnapshot" else TRANSIENT
        assert set(retried) >= expected, name
        assert len(retried) == len(set(retried)), name


def test_nothing_is_retried_blindly(app: Synthesized) -> None:
    for name, task in tasks(app).items():
        assert "States.ALL" not in named(task["Retry"]), name
        assert "LeaseLost" not in named(task["Retry"]), name
        assert all(policy["JitterStrategy"] == "FULL" for policy in task["Retry"]), name


def test_a_busy_lease_is_waited_for_and_then_deferred(app: Synthesized) -> None:
    acquire = in_the_map(app)["AcquireLock"]
    (busy,) = [one for one in acquire["Retry"] if one["ErrorEquals"] == ["LockBusy"]]
    assert (busy["MaxAttempts"], busy["IntervalSeconds"], busy["BackoffRate"]) == (4, 2, 2)
    assert acquire["Catch"][0] == {
        "ErrorEquals": ["LockBusy", "LeaseLost"],
        "ResultPath": "$.error",
        "Next": "Deferred",
    }


def test_a_lease_is_given_back_by_its_token_or_else_by_the_pass_that_asked_for_it(
    app: Synthesized,
) -> None:
    """A Map item has no lease before AcquireLock has answered, and a path must find something."""
    acquire, release = (in_the_map(app)[name] for name in ("AcquireLock", "ReleaseLock"))
    item = app.definition["States"]["EachCollection"]["ItemSelector"]
    assert item["lease"] == {}
    assert acquire["ResultPath"] == release["Parameters"]["lease.$"] == "$.lease"
    assert acquire["Parameters"]["request.$"] == release["Parameters"]["request.$"]
    assert acquire["Parameters"]["request.$"] == "$.batch.key", "one a round and collection"


def test_every_task_ends_a_little_after_its_function(app: Synthesized) -> None:
    timeouts = {
        name: one["Timeout"] for name, one in app.resources("AWS::Lambda::Function").items()
    }
    for name, task in tasks(app).items():
        function = task["Resource"].rpartition(":")[2]
        assert 0 < task["TimeoutSeconds"] - timeouts[function] <= 60, name


def test_every_task_of_an_item_catches_what_is_left(app: Synthesized) -> None:
    for name, state in in_the_map(app).items():
        if state["Type"] == "Task":
            assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name


def test_every_path_of_an_item_passes_release_lock(app: Synthesized) -> None:
    path = in_the_map(app)
    ends = {name for name, state in path.items() if state.get("End")}
    assert ends == {"ReleaseLock", "LeaseExpires"}
    into_expired = {name for name, state in path.items() if "LeaseExpires" in json.dumps(state)}
    assert into_expired == {"ReleaseLock"}
    assert path["ReleaseLock"]["ResultPath"] is None


def test_a_lost_lease_defers_and_a_conflict_goes_back_bounded(app: Synthesized) -> None:
    path = in_the_map(app)
    for name in ("ApplyUpdates", "UploadSnapshot"):
        assert {"ErrorEquals": ["LeaseLost"], "ResultPath": "$.error", "Next": "Deferred"} in path[
            name
        ]["Catch"]
    assert path["UploadSnapshot"]["Catch"][0] == {
        "ErrorEquals": ["SnapshotConflict"],
        "ResultPath": "$.conflict",
        "Next": "Attempts?",
    }
    assert path["Attempts?"]["Choices"] == [
        {"Variable": "$.staged.attempt", "NumericLessThan": 3, "Next": "ApplyUpdates"}
    ]
    assert path["Attempts?"]["Default"] == "Deferred"


def test_a_fold_never_fails_what_is_published(app: Synthesized) -> None:
    """Nor makes anybody wait for a second try of what took its whole time: the next run folds."""
    path = in_the_map(app)
    assert path["UploadSnapshot"]["Next"] == "NeedsFold?"
    assert path["NeedsFold?"]["Default"] == path["FoldSnapshot"]["Next"] == "Applied"
    assert path["FoldSnapshot"]["Catch"] == [
        {"ErrorEquals": ["States.ALL"], "ResultPath": "$.not_folded", "Next": "Applied"}
    ]
    assert not DEATHS & set(named(path["FoldSnapshot"]["Retry"]))


def test_error_names_are_ours_or_documented_by_aws(app: Synthesized) -> None:
    ours = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.CompactionError)
    }
    for name, task in tasks(app).items():
        used = {*named(task["Retry"]), *named(task.get("Catch", []))}
        assert used <= ours | OF_AWS, name


def test_every_error_of_a_step_is_named_or_deliberately_not(app: Synthesized) -> None:
    raised = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type)
        and issubclass(value, errors.CompactionError)
        and value is not errors.CompactionError
    }
    used = {
        error
        for task in tasks(app).values()
        for error in (*named(task["Retry"]), *named(task.get("Catch", [])))
    }
    assert raised - VALUES - OF_COMMANDS - set(UNNAMED) <= used
    assert not set(UNNAMED) & used


def test_plain_paths_and_no_intrinsics(app: Synthesized) -> None:
    """Two local interpreters agree on plain paths only."""
    assert "States." not in app.definition_text.replace("States.ALL", "").replace(
        "States.Timeout", ""
    )
    assert "QueryLanguage" not in app.definition_text


def test_every_state_says_why(app: Synthesized) -> None:
    assert [name for name, state in app.states().items() if not state.get("Comment")] == []


def test_the_outcome_fails_with_the_cause_of_settle_batch(app: Synthesized) -> None:
    failed = app.definition["States"]["RunFailed"]
    assert (failed["Error"], failed["CausePath"]) == ("CompactionFailed", "$.cause")


def test_one_pass_over_a_batch_is_shorter_than_its_messages_are_invisible(
    app: Synthesized,
) -> None:
    inbox = app.one("AWS::SQS::Queue", "Inbox")
    assert sum(task["TimeoutSeconds"] for task in tasks(app).values()) < inbox["VisibilityTimeout"]


def test_the_machine_is_standard_traced_and_logs_without_data(app: Synthesized) -> None:
    machine = app.one("AWS::StepFunctions::StateMachine")
    assert machine["StateMachineType"] == "STANDARD"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False


@pytest.mark.parametrize("word", ["InputRejected", "LockBusy", "SnapshotConflict"])
def test_the_class_names_are_the_contract(word: str) -> None:
    assert getattr(errors, word).__name__ == word


def validate(definition: Path) -> subprocess.CompletedProcess[str]:
    programs = ensure_node_modules(ROOT)
    validator = programs / "asl-validator"
    return run(validator, "--json-path", definition, path=path_with_node(programs))


def test_asl_validator_is_content(machine_file: Path) -> None:
    done = validate(machine_file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_asl_validator_would_say_so(app: Synthesized, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(app.definition_text.replace('"Next":"HasWork?"', '"Next":"Nowhere"'))
    assert validate(broken).returncode != 0
