"""Every Retry, Catch and deadline of both machines is declared, by names that somebody really
raises.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from instep import errors
from instep.cdk.node import ensure_node_modules, path_with_node
from instep.cdk.retries import LAMBDA_REFUSED
from tests.infrastructure.programs import run
from tests.infrastructure.synthesis import Synthesized
from tests.support.marks import ROOT
from tests.support.ways import DEATHS, OF_LAMBDA, REFUSED

# Step Functions developer guide, "Handling errors in Step Functions workflows"; Lambda's own
# names as "Best practices: Handle transient Lambda service exceptions" and Lambda's docs list them.
OF_AWS = {"States.ALL", "States.TaskFailed", *OF_LAMBDA, *DEATHS}
TRANSIENT = {*REFUSED, *DEATHS}

# What Lambda's API may answer to an Invoke, and why no other try of the same deployment cures it.
INCURABLE = {
    "CodeArtifact": "no code of ours is such an artifact",
    "DurableExecution": "no function of ours is durable",
    "EC2AccessDenied": "rights",
    "EFSMountFailure": "rights on the file system",
    "InvalidParameterValue": "the call",
    "InvalidRequestContent": "the call",
    "InvalidRuntime": "the code",
    "InvalidSecurityGroupID": "the configuration",
    "InvalidSubnetID": "the configuration",
    "InvalidZipFile": "the code",
    "KMS": "the key",
    "ModeNotSupported": "the call",
    "NoPublishedVersion": "the deploy",
    "RecursiveInvocation": "no function of ours calls one",
    "RequestTooLarge": "the call: payloads are references",
    "ResourceNotFound": "the deploy",
    "S3Files": "no function of ours mounts a bucket",
    "SerializedRequestEntityTooLarge": "the call: payloads are references",
    "ServiceQuotaExceeded": "the account",
    "SnapStart": "no function of ours starts so",
    "UnsupportedMediaType": "the call",
}

ROUND = ("runner", "Round")
OF_A_BATCH = {"AcquireLock", "ApplyUpdates", "UploadSnapshot", "ReleaseLock", "SettleBatch"}
LOCKS = ("AcquireLock", "LockToFold")
OF_A_FOLD = {"LockToFold", "FoldSnapshot", "ReleaseLockAfterFold"}
# A second try of these is the next run's: nobody waits for it.
TRIED_ONCE = {("runner", "FoldSnapshot"), ("round", "ApplyUpdates")}
PATIENCE = 150  # seconds: what of a round's five minutes ApplyUpdates may take

# What a step may raise that no state names, and why that is meant.
UNNAMED = {
    "InputRejected": "ends the execution: its cause shows the accepted shapes",
    "FoldTooLarge": "never retried: States.ALL leaves the head unfolded until a larger deployment",
    "SnapshotCorrupt": "never retried: States.ALL makes the collection Failed, the cause names "
    "`instep rollback`",
    "SnapshotUnsupported": "never retried: States.ALL makes the collection Failed",
    "ChromaPanicked": "never retried: States.ALL makes the collection Failed",
    "ConfigurationMissing": "a deployment's fault: no retry cures it",
    "EmbedderMissing": "a mapping's fault: the cause says what to write or to install",
    "EmbedderBroken": "never retried: States.ALL makes the collection Failed",
}
# Caught where they arise, as values in a result: they never leave a function.
VALUES = {"MessageRejected", "DeltaRejected"}
# Raised by what an operator starts, and by no step.
OF_COMMANDS = {"ImportRejected", "MappingRejected", "VersionRejected"}
OF_READERS = {"EmbeddingFunctionMissing", "LocationRejected", "SnapshotReadOnly"}

State = dict[str, Any]


def tasks(app: Synthesized) -> dict[tuple[str, str], State]:
    return {where: state for where, state in app.states().items() if state["Type"] == "Task"}


def functions(app: Synthesized) -> dict[tuple[str, str], State]:
    """The tasks that call a function: all but the round's start."""
    return {where: task for where, task in tasks(app).items() if where != ROUND}


def named(policies: list[dict[str, Any]]) -> list[str]:
    return [error for policy in policies for error in policy["ErrorEquals"]]


def items(app: Synthesized, machine: str, name: str) -> dict[str, State]:
    """The states inside a Map."""
    found: dict[str, State] = app.states()[machine, name]["ItemProcessor"]["States"]
    return found


def test_the_tasks_of_both_machines(app: Synthesized) -> None:
    found = set(tasks(app))
    assert {name for machine, name in found if machine == "round"} == {"ParseBatch", *OF_A_BATCH}
    assert {name for machine, name in found if machine == "runner"} == {
        "ParseBatch",
        "Round",
        *OF_A_BATCH,
        *OF_A_FOLD,
        "SyncTable",
    }


def test_every_task_retries_all_that_is_transient_each_name_once(app: Synthesized) -> None:
    for where, task in functions(app).items():
        retried = named(task["Retry"])
        expected = TRANSIENT - set(DEATHS) if where in TRIED_ONCE else TRANSIENT
        own = {"LockBusy"} if where[1] in LOCKS else {"EmbedderUnavailable"}
        assert set(retried) - own == expected, where
        assert own <= set(retried) or where[1] not in {*LOCKS, "ApplyUpdates"}, where
        assert len(retried) == len(set(retried)), where


def test_every_answer_of_lambda_is_tried_again_or_incurable() -> None:
    """Of the API's own model, so that a new one fails here until somebody judged it."""
    model = botocore.session.get_session().get_service_model("lambda")
    answers = {shape.name for shape in model.operation_model("Invoke").error_shapes}
    retried = {name.removeprefix("Lambda.") for name in LAMBDA_REFUSED}
    for answer in answers - retried:
        assert any(answer.startswith(cause) for cause in INCURABLE), answer
    assert not [one for one in retried if any(one.startswith(cause) for cause in INCURABLE)]


def test_nothing_is_retried_blindly(app: Synthesized) -> None:
    for where, task in tasks(app).items():
        assert not {"States.ALL", "LeaseLost"} & set(named(task["Retry"])), where
        assert all(policy["JitterStrategy"] == "FULL" for policy in task["Retry"]), where


def test_only_the_start_of_a_round_is_tried_again(app: Synthesized) -> None:
    """States.TaskFailed is every error of the call but a timeout; that an execution which was
    started has failed is an answer of the call, and no error.
    """
    task = tasks(app)[ROUND]
    assert [one["ErrorEquals"] for one in task["Retry"]] == [["States.TaskFailed"]]
    assert "Catch" not in task
    assert "States.TaskFailed" not in {
        name
        for one in functions(app).values()
        for name in named([*one["Retry"], *one.get("Catch", [])])
    }


@pytest.mark.parametrize(
    ("where", "target"),
    [
        (("runner", "AcquireLock"), "Deferred"),
        (("round", "AcquireLock"), "Deferred"),
        (("runner", "LockToFold"), "NotFolded"),
    ],
)
def test_a_busy_lease_is_waited_for_briefly(
    app: Synthesized, where: tuple[str, str], target: str
) -> None:
    """The runner comes back; a collection that is free need not wait for one that is not."""
    acquire = app.states()[where]
    (busy,) = [one for one in acquire["Retry"] if one["ErrorEquals"] == ["LockBusy"]]
    assert (busy["MaxAttempts"], busy["IntervalSeconds"], busy["BackoffRate"]) == (2, 1, 2)
    caught = acquire["Catch"][0]
    assert caught["ErrorEquals"] in (["LockBusy", "LeaseLost"], ["States.ALL"])
    assert (caught["ResultPath"], caught["Next"]) == ("$.error", target)


def test_a_lease_is_given_back_by_its_token_or_else_by_the_pass_that_asked_for_it(
    app: Synthesized,
) -> None:
    """A Map item has no lease before AcquireLock has answered, and a path must find something."""
    for machine in ("runner", "round"):
        states = app.states()
        acquire, release = (states[machine, name] for name in ("AcquireLock", "ReleaseLock"))
        item = states[machine, "EachCollection"]["ItemSelector"]
        assert item["lease"] == {}
        assert acquire["ResultPath"] == release["Parameters"]["lease.$"] == "$.lease"
        assert acquire["Parameters"]["request.$"] == release["Parameters"]["request.$"]
        assert acquire["Parameters"]["request.$"] == "$.batch.key", "one a round and collection"


def test_every_task_ends_a_little_after_its_function(app: Synthesized) -> None:
    timeouts = {
        name: one["Timeout"] for name, one in app.resources("AWS::Lambda::Function").items()
    }
    for where, task in functions(app).items():
        function = task["Resource"].rpartition(":")[2]
        if where == ("round", "ApplyUpdates"):
            assert task["TimeoutSeconds"] == PATIENCE < timeouts[function]
        else:
            assert 0 < task["TimeoutSeconds"] - timeouts[function] <= 60, where


@pytest.mark.parametrize(
    ("machine", "map_"),
    [("runner", "EachCollection"), ("round", "EachCollection"), ("runner", "EachFold")],
)
def test_no_error_leaves_an_item_and_every_path_of_it_passes_the_release(
    app: Synthesized, machine: str, map_: str
) -> None:
    path = items(app, machine, map_)
    for name, state in path.items():
        if state["Type"] == "Task":
            assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name
    after = "AfterFold" if map_ == "EachFold" else ""
    release, expires = f"ReleaseLock{after}", f"LeaseExpires{after}"
    assert {name for name, state in path.items() if state.get("End")} == {release, expires}
    assert {name for name, state in path.items() if expires in json.dumps(state)} == {release}
    assert path[release]["ResultPath"] is None


@pytest.mark.parametrize("machine", ["runner", "round"])
def test_a_lost_lease_defers_and_a_conflict_goes_back_bounded(
    app: Synthesized, machine: str
) -> None:
    path = items(app, machine, "EachCollection")
    for name, also in (("ApplyUpdates", ["FormatUnknown"]), ("UploadSnapshot", [])):
        lost = {"ErrorEquals": ["LeaseLost", *also], "ResultPath": "$.error", "Next": "Deferred"}
        assert lost in path[name]["Catch"]
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
    """Its batch is settled before it begins; nothing of it fails the run, and nobody waits for a
    second try of what took its whole time.
    """
    path = items(app, "runner", "EachFold")
    for name in ("LockToFold", "FoldSnapshot"):
        assert path[name]["Catch"] == [
            {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "NotFolded"}
        ]
    assert path["NotFolded"]["Next"] == path["FoldSnapshot"]["Next"] == "ReleaseLockAfterFold"
    assert app.runner["States"]["EachFold"]["ResultPath"] is None
    assert app.runner["States"]["EachFold"]["Next"] == "AfterFold?"


def test_error_names_are_ours_or_documented_by_aws(app: Synthesized) -> None:
    for where, task in tasks(app).items():
        used = {*named(task["Retry"]), *named(task.get("Catch", []))}
        assert used <= ours() | OF_AWS, where


def ours() -> set[str]:
    return {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type)
        and issubclass(value, errors.CompactionError)
        and value is not errors.CompactionError
    }


def test_every_error_of_a_step_is_named_or_deliberately_not(app: Synthesized) -> None:
    used = {
        error
        for task in tasks(app).values()
        for error in (*named(task["Retry"]), *named(task.get("Catch", [])))
    }
    assert ours() - VALUES - OF_COMMANDS - OF_READERS - set(UNNAMED) <= used
    assert not set(UNNAMED) & used


def test_plain_paths_and_the_two_intrinsics_that_hand_a_round_its_state(app: Synthesized) -> None:
    """Two local interpreters agree on these only."""
    text = app.definitions.runner + app.definitions.round
    used = set(re.findall(r"States\.\w+(?:\([^)]*\))?", text)) - OF_AWS
    assert used == {"States.JsonToString($)", "States.StringToJson($.Output)"}
    assert "QueryLanguage" not in text


def test_every_state_says_why(app: Synthesized) -> None:
    assert [where for where, state in app.states().items() if not state.get("Comment")] == []


@pytest.mark.parametrize("word", ["InputRejected", "LockBusy", "SnapshotConflict"])
def test_the_class_names_are_the_contract(word: str) -> None:
    assert getattr(errors, word).__name__ == word


def validate(definition: Path) -> subprocess.CompletedProcess[str]:
    programs = ensure_node_modules(ROOT / ".build")
    validator = programs / "asl-validator"
    return run(validator, "--json-path", definition, path=path_with_node(programs))


def test_asl_validator_is_content(machine_files: list[Path]) -> None:
    assert len(machine_files) == 2
    for file in machine_files:
        done = validate(file)
        assert done.returncode == 0, done.stdout + done.stderr


def test_asl_validator_would_say_so(app: Synthesized, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    text = app.definitions.round
    assert '"Next":"HasWork?"' in text
    broken.write_text(text.replace('"Next":"HasWork?"', '"Next":"Nowhere"'))
    assert validate(broken).returncode != 0
