"""What a deployment's state machines used in a window: Standard ones and Express ones.

AWS keeps no history of an Express execution; the local cloud does, and tells when each ran.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from benchmarks.deployed_stack import DeployedStack
from benchmarks.live import LiveApp
from benchmarks.transitions import Entered, entered
from benchmarks.window import Window
from instep.app import DEFAULT_STACK
from instep.costs.prices import LOGGED_EVENT_BYTES, express_gb_seconds

_TYPE = "AWS::StepFunctions::StateMachine"


@dataclass(frozen=True)
class Machine:
    """A state machine of the stack, with the settings of its template."""

    client: Any
    arn: str
    properties: Mapping[str, Any]

    def used(self, window: Window) -> dict[str, float]:
        """Return what its executions used: by item, and `log_bytes`."""
        ran = [one for one in self._executions() if window.meets(*_lifetime(one))]
        begun = [one for one in ran if one["startDate"].timestamp() in window]
        steps = [step for one in ran for step in self._entered(one) if step.at in window]
        logged = self._settings("LoggingConfiguration").get("Level") == "ALL"
        used: dict[str, float] = {
            "log_bytes": sum(step.events for step in steps) * LOGGED_EVENT_BYTES * logged
        }
        if self.properties.get("StateMachineType") == "EXPRESS":
            lasted = [ended - began for began, ended in map(_lifetime, begun) if ended < inf]
            return used | {
                "express_requests": len(begun),
                "express_gb_s": sum(map(express_gb_seconds, lasted)),
            }
        traced = bool(self._settings("TracingConfiguration").get("Enabled"))
        return used | {
            "transitions": sum(step.states for step in steps),
            "traces": len(begun) * traced,
        }

    def _settings(self, name: str) -> Mapping[str, Any]:
        settings: Mapping[str, Any] = self.properties.get(name) or {}
        return settings

    def _executions(self) -> Iterator[Mapping[str, Any]]:
        pages = self.client.get_paginator("list_executions").paginate(stateMachineArn=self.arn)
        return (execution for page in pages for execution in page["executions"])

    def _entered(self, execution: Mapping[str, Any]) -> Iterator[Entered]:
        found = self.client.describe_state_machine(stateMachineArn=self.arn)
        pages = self.client.get_paginator("get_execution_history").paginate(
            executionArn=execution["executionArn"]
        )
        history = (event for page in pages for event in page["events"])
        return entered(json.loads(found["definition"]), history)


def machines(app: LiveApp) -> list[Machine]:
    """Return the state machines of the app's stack."""
    client, stack = app.session.stepfunctions, DeployedStack.read(app.target, DEFAULT_STACK)
    resources = stack.template["Resources"]
    return [
        Machine(
            client,
            resource["PhysicalResourceId"],
            resources[resource["LogicalResourceId"]]["Properties"],
        )
        for resource in stack.made
        if resource["ResourceType"] == _TYPE
    ]


def _lifetime(execution: Mapping[str, Any]) -> tuple[float, float]:
    """Return when it began and ended (epoch seconds; of one that runs: infinite)."""
    stopped = execution.get("stopDate")
    return execution["startDate"].timestamp(), stopped.timestamp() if stopped else inf
