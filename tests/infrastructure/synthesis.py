"""Synthesize the app in this process, and look into the template."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from stacks.compaction_stack import CompactionStack
from stacks.config import Config
from stacks.packages import ROOT, Packages
from tools.diagram import definition_text

ACCOUNT, REGION = "123456789012", "us-east-1"


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
    def definition_text(self) -> str:
        return definition_text(self.template, f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:")

    @cached_property
    def definition(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.definition_text)
        return loaded

    def states(self) -> dict[str, dict[str, Any]]:
        """Return name -> state, those inside the Map too."""
        return dict(states_of(self.definition))


def states_of(machine: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in machine["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states_of(state["ItemProcessor"])


def synthesize(packages: Packages, outdir: Path, **context: object) -> Synthesized:
    """Synthesize with cdk.json's context and `context` over it, under cdk-nag's eyes."""
    settings = json.loads((ROOT / "cdk.json").read_text())["context"] | context
    app = App(analytics_reporting=False, context=settings, outdir=str(outdir))
    config = Config.from_context(app.node.try_get_context)
    CompactionStack(app, config.name, config=config, packages=packages)
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
