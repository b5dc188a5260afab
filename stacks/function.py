"""One Lambda function with a role, a log group and grants of its own.

The switch between AWS's managed runtime and the local cloud's bootstrap is `Platform`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Duration, RemovalPolicy, Size
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.config import LOG_RETENTION, Config
from stacks.layer import Layers
from stacks.nag import accept
from stacks.packages import RUNTIME_PYTHON, Packages

NOT_THE_NEWEST = (
    "Python 3.13 is supported until 2029; a newer one is a change of the lock, tried with chromadb "
    "first, and not of this line alone."
)


@dataclass(frozen=True)
class Platform:
    """What all functions of a deployment share: the code's folder, runtime, layers, log days."""

    config: Config
    packages: Packages
    layers: Layers

    @property
    def runtime(self) -> lambda_.Runtime:
        """AWS's Python, or on the local cloud what runs the asset's own `bootstrap`."""
        if self.config.local_cloud:
            return lambda_.Runtime.PROVIDED_AL2023
        return lambda_.Runtime(f"python{RUNTIME_PYTHON}", lambda_.RuntimeFamily.PYTHON)

    @property
    def architecture(self) -> lambda_.Architecture:
        """The processor that the layer's compiled files are for."""
        return {
            "arm64": lambda_.Architecture.ARM_64,
            "x86_64": lambda_.Architecture.X86_64,
        }[self.config.architecture]

    @property
    def environment(self) -> dict[str, str]:
        """The local bootstrap has no /opt: it is told where the layers lie."""
        if not self.config.local_cloud:
            return {}
        folders = (self.packages.dependencies / "python", self.packages.library / "python")
        return {"INSTEP_LAYERS": os.pathsep.join(str(folder) for folder in folders)}


class WorkflowFunction(Construct):
    """functions/NAME/handler.py, deployed; `allow` lists what it may do."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        platform: Platform,
        timeout: Duration,
        memory: int,
        environment: Mapping[str, str],
        scratch: Size | None = None,
    ) -> None:
        super().__init__(scope, id_)
        config = platform.config
        group = logs.LogGroup(
            self, "Log", retention=retention(config), removal_policy=RemovalPolicy.DESTROY
        )
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        code = platform.packages.functions / name
        self.function = lambda_.Function(
            self,
            "Function",
            description=f"Instep: {name}",
            runtime=platform.runtime,
            architecture=platform.architecture,
            handler="handler.handle",
            code=lambda_.Code.from_asset(str(code), exclude=["__pycache__", "*.pyc"]),
            layers=platform.layers.versions,
            role=self.role,
            log_group=group,
            timeout=timeout,
            memory_size=memory,
            ephemeral_storage_size=scratch,
            tracing=lambda_.Tracing.ACTIVE,
            environment={
                **environment,
                **platform.environment,
                "LOG_LEVEL": "INFO",
                "POWERTOOLS_SERVICE_NAME": name,
                "POWERTOOLS_METRICS_NAMESPACE": "EmbeddingWorkflow",
            },
        )
        if not config.local_cloud:
            accept(self.function, "AwsSolutions-L1", NOT_THE_NEWEST)
        self.allow(["logs:CreateLogStream", "logs:PutLogEvents"], [group.log_group_arn])
        accept(
            self.role,
            "AwsSolutions-IAM5[Resource::*]",
            "X-Ray's two write actions take no resource (service authorization reference).",
        )

    def allow(self, actions: Sequence[str], resources: Sequence[str]) -> None:
        """Let the function do `actions` on these resources and nothing else."""
        self.role.add_to_policy(
            iam.PolicyStatement(actions=list(actions), resources=list(resources))
        )


def retention(config: Config) -> logs.RetentionDays:
    """Return the days that logs are kept, as CDK names them."""
    return logs.RetentionDays[LOG_RETENTION[config.log_retention_days]]
