"""One Lambda function with a role, a log group and grants of its own.

The switch between AWS's managed runtime and the local cloud's bootstrap is `Platform`.
"""

import os
from collections.abc import Mapping, Sequence

from aws_cdk import Duration, RemovalPolicy, Size, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from instep.cdk.config import LOG_RETENTION, Config
from instep.cdk.keys import Keys
from instep.cdk.layer import Layers
from instep.cdk.nag import accept
from instep.cdk.packages import RUNTIME_PYTHON, Packages
from instep.cdk.shared_cache import SharedCache
from instep.domain import Domain

TAKES_NO_RESOURCE = "X-Ray's two write actions name none (service authorization reference)."
NOT_THE_NEWEST = (
    "Python 3.13 is supported until 2029; a newer one is a change of the lock, tried with chromadb "
    "first, and not of this line alone."
)

ARCHITECTURES = {
    "arm64": lambda_.Architecture.ARM_64,
    "x86_64": lambda_.Architecture.X86_64,
}


class Platform(Construct):
    """What all functions share: runtime, layers, and where their code lies.

    The local cloud's bootstrap has no /opt. It is told where the layers lie, and none is uploaded:
    zipping 180 MB would take longer than all the rest of a local deployment.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: Config,
        packages: Packages,
        domain: Domain,
        keys: Keys,
    ) -> None:
        super().__init__(scope, id_)
        self.config, self.domain, self.keys = config, domain, keys
        self.code = packages.functions
        self.architecture = ARCHITECTURES[config.architecture]
        self.runtime = lambda_.Runtime(f"python{RUNTIME_PYTHON}", lambda_.RuntimeFamily.PYTHON)
        self.layers: list[lambda_.ILayerVersion] = []
        self.environment: dict[str, str] = {}
        if config.local_cloud:
            folders = (packages.library / "python", packages.dependencies / "python")
            self.runtime = lambda_.Runtime.PROVIDED_AL2023
            self.environment = {"INSTEP_LAYERS": os.pathsep.join(map(str, folders))}
        else:
            self.layers = Layers(self, "Layers", packages=packages).versions


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
        cache: SharedCache | None = None,
    ) -> None:
        super().__init__(scope, id_)
        self._keys = platform.keys
        group = logs.LogGroup(
            self, "Log", retention=retention(platform.config), removal_policy=RemovalPolicy.DESTROY
        )
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        self.function = lambda_.Function(
            self,
            "Function",
            description=f"Instep: {name}",
            runtime=platform.runtime,
            architecture=platform.architecture,
            handler="handler.handle",
            code=lambda_.Code.from_asset(str(platform.code / name)),
            layers=platform.layers,
            role=self.role,
            log_group=group,
            timeout=timeout,
            memory_size=memory,
            ephemeral_storage_size=scratch,
            filesystem=cache.mount(self.role) if cache else None,
            vpc=cache.vpc if cache else None,
            security_groups=[cache.security_group] if cache else None,
            tracing=lambda_.Tracing.ACTIVE,
            environment={**environment, **platform.environment, **_telemetry(self, name)},
        )
        self.allow(["logs:CreateLogStream", "logs:PutLogEvents"], [group.log_group_arn])
        accept(self.role, "AwsSolutions-IAM5[Resource::*]", TAKES_NO_RESOURCE)
        if not platform.config.local_cloud:
            accept(self.function, "AwsSolutions-L1", NOT_THE_NEWEST)

    def allow(
        self,
        actions: Sequence[str],
        resources: Sequence[str],
        conditions: Mapping[str, object] | None = None,
    ) -> None:
        """Let the function do `actions` on these resources and nothing else, and use their keys."""
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=list(actions), resources=list(resources), conditions=conditions
            )
        )
        for right in self._keys.rights(actions, resources):
            self.role.add_to_policy(right)


def _telemetry(scope: Construct, name: str) -> dict[str, str]:
    return {
        "LOG_LEVEL": "INFO",
        "STACK_NAME": Stack.of(scope).stack_name,
        "POWERTOOLS_SERVICE_NAME": name,
        "POWERTOOLS_METRICS_NAMESPACE": "EmbeddingWorkflow",
    }


def retention(config: Config) -> logs.RetentionDays:
    """Return the days that logs are kept, as CDK names them."""
    return logs.RetentionDays[LOG_RETENTION[config.log_retention_days]]
