"""Synthesize the app in this process, and look into the template."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from instep.cdk.config import Config
from instep.cdk.definitions import Definitions, definitions, states_of
from instep.cdk.packages import Packages
from receipt_domain import DOMAIN
from stacks.compaction_stack import CompactionStack
from tests.support.marks import ROOT

Machine: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Synthesized:
    """A template on disk, and the findings of cdk-nag."""

    path: Path
    findings: tuple[str, ...]

    @cached_property
    def template(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.path.read_text())
        return loaded

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return logical id -> properties of every resource of this type."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.template["Resources"].items()
            if resource["Type"] == kind
        }

    def one(self, kind: str, containing: str = "") -> dict[str, Any]:
        """Return the properties of the only resource of this type whose id contains a word."""
        found = [value for name, value in self.resources(kind).items() if containing in name]
        assert len(found) == 1, f"{len(found)} resources {kind} named *{containing}*"
        return found[0]

    @cached_property
    def definitions(self) -> Definitions:
        return definitions(self.template)

    @cached_property
    def runner(self) -> Machine:
        loaded: Machine = json.loads(self.definitions.runner)
        return loaded

    @cached_property
    def round(self) -> Machine:
        loaded: Machine = json.loads(self.definitions.round)
        return loaded

    def states(self) -> dict[tuple[str, str], Machine]:
        """Return (machine, name) -> state of both machines, those inside Maps too."""
        return {
            (machine, name): dict(state)
            for machine, definition in (("runner", self.runner), ("round", self.round))
            for name, state in states_of(definition)
        }


def synthesize(packages: Packages, outdir: Path, **context: object) -> Synthesized:
    """Synthesize with cdk.json's context and `context` over it, under cdk-nag's eyes."""
    settings = json.loads((ROOT / "cdk.json").read_text())["context"] | context
    app = App(analytics_reporting=False, context=settings, outdir=str(outdir))
    config = Config.from_context(app.node.try_get_context)
    CompactionStack(app, config.name, config=config, domain=DOMAIN, folders=packages)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    try:
        app.synth()
    except RuntimeError as error:  # nag's findings end a synthesis; the report names them
        if "ValidationFailed" not in str(error):
            raise
    report = json.loads((outdir / "validation-report.json").read_text())
    return Synthesized(outdir / f"{config.name}.template.json", tuple(_findings(report)))


def _findings(report: Mapping[str, Any]) -> Iterator[str]:
    for plugin in report["pluginReports"]:
        for violation in plugin["violations"]:
            for construct in violation["violatingConstructs"]:
                yield f"{violation['ruleName']} at {construct['constructPath']}"


ROLLOUT = (
    "AWS::Lambda::Alias",
    "AWS::Lambda::Version",
    "AWS::StepFunctions::StateMachineAlias",
    "AWS::StepFunctions::StateMachineVersion",
)


def unversioned(app: Synthesized) -> dict[str, Any]:
    """Return a copy of the resources in which whatever names a version or alias names what that is
    one of.
    """
    of: dict[str, Any] = {}
    for kind in ROLLOUT:
        for name, one in app.resources(kind).items():
            if "FunctionName" in one:
                of[name] = {"Fn::GetAtt": [one["FunctionName"]["Ref"], "Arn"]}
            else:
                of[name] = one.get("StateMachineArn") or {"Ref": _machine_of(app, "STANDARD")}
    resources: dict[str, Any] = _named_itself(app.template["Resources"], of)
    return {name: one for name, one in resources.items() if one["Type"] not in ROLLOUT}


def _machine_of(app: Synthesized, kind: str) -> str:
    machines = app.resources("AWS::StepFunctions::StateMachine").items()
    (name,) = (name for name, machine in machines if machine["StateMachineType"] == kind)
    return name


def _named_itself(value: Any, of: Mapping[str, Any]) -> Any:
    match value:
        case {"Ref": str(name)} if name in of:
            return of[name]
        case {"Fn::GetAtt": [name, "Arn"]} if name in of:
            return of[name]
        case {"Fn::Join": ["", [{"Fn::GetAtt": _} as function, ":*"]]}:
            return function
        case dict():
            return {key: _named_itself(one, of) for key, one in value.items()}
        case list():
            return [_named_itself(one, of) for one in value]
    return value
