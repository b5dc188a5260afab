"""The deployed state machines as a test sees them: how one is started, and what a run did."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from instep.local.deploy import Deployment
from instep.local.executions import Outcome, Step, follow, start
from instep.local.target import Target
from tests.support.edges import Edge, Flow, Machines, edges_taken
from tests.support.flows import flows_of

RUN_SECONDS = 120.0


@dataclass(frozen=True)
class Run:
    """An execution of the runner that ended: its steps, its calls and its rounds' in the order they
    ended, and how many states it entered itself, which is what it costs.
    """

    outcome: Outcome
    steps: list[Step]
    flows: list[Flow]
    machines: Machines
    transitions: int

    @property
    def edges(self) -> set[Edge]:
        """Edges taken; RunNotOfDefinition for several collections at once, which interleave."""
        return edges_taken(self.machines, self.flows)

    def calls(self, machine: str) -> list[str]:
        """States of one machine that called a function or waited, in order."""
        flows = [flow for flow in self.flows if flow.machine == machine]
        return [call.state for flow in flows for call in flow.calls]


@dataclass(frozen=True)
class DeployedMachines:
    """The runner and its round, of one deployment on the local cloud."""

    target: Target
    deployment: Deployment

    @cached_property
    def machines(self) -> dict[str, Any]:
        """The deployed definitions of runner and round."""
        runner = self._definition(self.deployment.state_machine_arn)
        return {"runner": runner, "round": self._definition(_round_of(runner))}

    def _definition(self, arn: str) -> dict[str, Any]:
        client = self.target.client("stepfunctions")
        found = client.describe_state_machine(stateMachineArn=arn)
        definition: dict[str, Any] = json.loads(found["definition"])
        return definition

    def run(self, given: object | None = None, *, case: str = "") -> Run:
        """Start an execution with `given` ({} drains the inbox) and follow it to its end.

        `case` names a test case of MiniStack's mocked answers (Step Functions Local's feature).
        """
        with self._rounds_of(case):
            return self.ended(self.start(given, case=case))

    def start(self, given: object | None = None, *, case: str = "") -> str:
        """Start an execution and return its ARN."""
        client = self.target.client("stepfunctions")
        machine = self.deployment.state_machine_arn + (f"#{case}" if case else "")
        return start(client, machine, json.dumps({} if given is None else given))

    def ended(self, arn: str) -> Run:
        """Follow an execution, whoever started it, to its end."""
        client = self.target.client("stepfunctions")
        steps: list[Step] = []
        outcome = follow(client, arn, steps.append, timeout=RUN_SECONDS)
        flows, entered = flows_of(client, arn, self.machines)
        return Run(outcome, steps, flows, self.machines, entered)

    def follow(self, run: Run) -> None:
        """Have an execution that ended red followed, as the rule on such ends does."""
        if not run.outcome.succeeded:
            followed = self.run({"Ended": run.outcome.arn.rpartition(":")[2]})
            assert followed.outcome.succeeded, followed.outcome

    @contextmanager
    def _rounds_of(self, case: str) -> Iterator[None]:
        """Have the runner start its rounds with the same mocked answers."""
        if not case:
            yield
            return
        arn = _round_of(self.machines["runner"])
        usual = json.dumps(self.machines["runner"])
        with self.redefined(usual.replace(f'"{arn}"', f'"{arn}#{case}"')):
            yield

    @contextmanager
    def redefined(self, definition: str) -> Iterator[None]:
        """Give the runner another definition inside the block."""
        usual = json.dumps(self.machines["runner"])
        client, machine = self.target.client("stepfunctions"), self.deployment.state_machine_arn
        client.update_state_machine(stateMachineArn=machine, definition=definition)
        try:
            yield
        finally:
            client.update_state_machine(stateMachineArn=machine, definition=usual)

    def executions(self) -> list[str]:
        """ARNs of all executions, oldest first."""
        listed = self.target.client("stepfunctions").list_executions(
            stateMachineArn=self.deployment.state_machine_arn
        )["executions"]
        return [found["executionArn"] for found in sorted(listed, key=lambda e: e["startDate"])]


def _round_of(runner: Mapping[str, Any]) -> str:
    arn: str = runner["States"]["Round"]["Parameters"]["StateMachineArn"]
    return arn
