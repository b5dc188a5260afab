"""A stack as CloudFormation has it: its template, and what its resources are called."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from instep.local.target import Target


@dataclass(frozen=True)
class DeployedStack:
    """`template` as it was deployed, `made` as `describe_stack_resources` lists it."""

    template: Mapping[str, Any]
    made: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, target: Target, stack: str) -> "DeployedStack":
        """Ask for both."""
        client: Any = target.client("cloudformation")
        body: Any = client.get_template(StackName=stack)["TemplateBody"]
        made = client.describe_stack_resources(StackName=stack)["StackResources"]
        return cls(json.loads(body) if isinstance(body, str) else body, made)

    @property
    def physical(self) -> dict[str, str]:
        """The resources' physical ids by their logical ones."""
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in self.made}
