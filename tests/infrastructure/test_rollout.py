"""A deploy comes into use as a version, a share of the starts first, and a run keeps its own."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk.assertions import Template

from instep.cdk.config import Config
from instep.cdk.rollout import Rollout, version_of
from instep.lambda_.inputs import Pasted, read_input
from tests.infrastructure.synthesis import ROLLOUT, Synthesized

MACHINE = "AWS::StepFunctions::StateMachine"
VERSION = "AWS::StepFunctions::StateMachineVersion"
ALIAS = "AWS::StepFunctions::StateMachineAlias"


def named(value: Any) -> Iterator[str]:
    """Yield every logical id that a piece of a template refers to."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]}:
            yield name
        case dict():
            for one in value.values():
                yield from named(one)
        case list():
            for one in value:
                yield from named(one)


def kinds_called(app: Synthesized, kind: str) -> set[str]:
    """Return the types of all that a machine's definition names."""
    (machine,) = (one for one in app.resources(MACHINE).values() if one["StateMachineType"] == kind)
    resources = app.template["Resources"]
    pieces = named(machine["DefinitionString"])
    return {resources[name]["Type"] for name in pieces if not name.startswith("AWS::")}


def starts(app: Synthesized) -> dict[str, set[str]]:
    """Return for each rule and schedule, but the sweep's, what its targets are."""
    found = {
        **app.resources("AWS::Events::Rule"),
        **app.resources("AWS::Scheduler::Schedule"),
    }
    return {
        name: set(
            named([one.get("Target", {}).get("Arn"), *(t["Arn"] for t in one.get("Targets", []))])
        )
        for name, one in found.items()
        if not name.startswith("Sweeping")
    }


def only(app: Synthesized, kind: str, containing: str = "") -> str:
    (name,) = (name for name in app.resources(kind) if containing in name)
    return name


def test_a_run_in_flight_finishes_on_the_code_it_began_with(app: Synthesized) -> None:
    """A version of the runner names versions only: of the round, which does too, and of functions.
    No alias is on its way, so no deploy reaches it.
    """
    assert kinds_called(app, "STANDARD") == {"AWS::Lambda::Version", VERSION}
    assert kinds_called(app, "EXPRESS") == {"AWS::Lambda::Version"}
    for version in app.resources(VERSION).values():
        machine = version["StateMachineArn"]["Ref"]
        revision = {"Fn::GetAtt": [machine, "StateMachineRevisionId"]}
        assert version["StateMachineRevisionId"] == revision, "one is made with each revision"


def test_versions_outlive_the_deploy_that_replaces_them_but_not_one_that_is_taken_back(
    app: Synthesized,
) -> None:
    """Lambda publishes the same code twice only under another version: a leftover of a deploy that
    was taken back would keep the same deploy from ever being tried again.
    """
    versions = [
        one
        for one in app.template["Resources"].values()
        if one["Type"] in {VERSION, "AWS::Lambda::Version"}
    ]
    assert len(versions) == len(app.resources("AWS::Lambda::Function")) + 2
    for one in versions:
        kept = (one["UpdateReplacePolicy"], one["DeletionPolicy"])
        assert kept == ("Retain", "RetainExceptOnCreate")


def test_whatever_starts_the_runner_starts_its_alias_and_the_probe_the_newest_version(
    app: Synthesized,
) -> None:
    found = starts(app)
    probe = only(app, "AWS::Scheduler::Schedule", "Probe")
    assert len(found) == 5
    assert found.pop(probe) == {only(app, VERSION, "WorkflowMachine")}
    alias = only(app, ALIAS)
    assert all(targets == {alias} for targets in found.values()), found
    assert list(named(app.template["Outputs"]["StateMachineArn"])) == [alias]


def test_the_end_of_a_run_is_followed_whatever_version_it_was(app: Synthesized) -> None:
    """The event names the machine, and beside it the version and the alias."""
    rule = app.one("AWS::Events::Rule", "RunEnded")
    machine = rule["EventPattern"]["detail"]["stateMachineArn"]
    assert machine == [
        app.resources(VERSION)[only(app, VERSION, "WorkflowMachine")]["StateMachineArn"]
    ]


def test_a_share_of_the_starts_is_judged_before_the_rest_follows(app: Synthesized) -> None:
    preference = app.one(ALIAS)["DeploymentPreference"]
    assert {key: preference[key] for key in ("Type", "Percentage", "Interval")} == {
        "Type": "CANARY",
        "Percentage": 10,
        "Interval": 10,
    }
    assert "RoutingConfiguration" not in app.one(ALIAS), "CloudFormation takes one of the two"


def test_the_probe_is_there_before_the_judgement_and_twice_in_it(app: Synthesized) -> None:
    probe = only(app, "AWS::Scheduler::Schedule", "Probe")
    assert probe in app.template["Resources"][only(app, ALIAS)]["DependsOn"]
    schedule = app.one("AWS::Scheduler::Schedule", "Probe")
    assert schedule["ScheduleExpression"] == "rate(5 minutes)"
    given = read_input(json.loads(schedule["Target"]["Input"]), ["words", "lines"])
    assert isinstance(given, Pasted)
    assert [one["Recheck"]["collection"] for one in given.records] == ["lines", "words"]


def test_who_writes_to_the_inbox_follows_who_reads_it(app: Synthesized) -> None:
    """Ingest's alias moves when the runner's has: no message is newer than its reader."""
    ingest = only(app, "AWS::Lambda::Alias", "Ingest")
    assert app.template["Resources"][ingest]["DependsOn"] == [only(app, ALIAS)]
    assert app.one("AWS::Lambda::EventSourceMapping")["FunctionName"] == {"Ref": ingest}


def test_the_local_cloud_has_no_versions_and_no_alias(local: Synthesized) -> None:
    """Of machines it knows them by name only, and runs the newest."""
    assert [kind for kind in ROLLOUT if local.resources(kind)] == []
    assert not any(name.startswith("Probe") for name in local.template["Resources"])
    assert kinds_called(local, "STANDARD") == {"AWS::Lambda::Function", MACHINE}
    (runner,) = set.union(*starts(local).values())
    assert local.resources(MACHINE)[runner]["StateMachineType"] == "STANDARD"
    assert list(named(local.template["Outputs"]["StateMachineArn"])) == [runner]


def preference_of(names: Sequence[str], **context: object) -> dict[str, Any]:
    """Return what the alias of a machine of one state prefers."""
    stack = Stack(App(analytics_reporting=False), "Stack")
    config = Config.from_context(context.get)
    end = sfn.DefinitionBody.from_chainable(sfn.Succeed(stack, "End"))
    machine = sfn.StateMachine(stack, "Machine", definition_body=end)
    version = version_of(machine, config)
    judges = [
        cloudwatch.Alarm(
            stack, name, metric=machine.metric_failed(), threshold=1, evaluation_periods=1
        )
        for name in names
    ]
    Rollout(stack, "Rollout", config=config, machine=machine, version=version, judges=judges)
    (alias,) = Template.from_stack(stack).find_resources(ALIAS).values()
    preference: dict[str, Any] = alias["Properties"]["DeploymentPreference"]
    del preference["StateMachineVersionArn"]
    preference["Alarms"] = [judge["Ref"][:1] for judge in preference["Alarms"]]
    return preference


@pytest.mark.parametrize(
    ("context", "preference"),
    [
        (
            {"rollout": "linear", "rolloutPercent": "25", "rolloutMinutes": 15},
            {"Type": "LINEAR", "Percentage": 25, "Interval": 15, "Alarms": ["A", "B"]},
        ),
        ({"rollout": "all-at-once"}, {"Type": "ALL_AT_ONCE", "Alarms": ["A", "B"]}),
    ],
)
def test_the_ways_of_a_rollout(context: dict[str, object], preference: dict[str, Any]) -> None:
    assert preference_of(["A", "B"], **context) == preference
