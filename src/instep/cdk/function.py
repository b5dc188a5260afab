"""One Lambda function with a role, a log group and grants of its own.

The switch between AWS's managed runtime and the local cloud's bootstrap is `Platform`.
"""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property

from aws_cdk import CfnElement, Duration, RemovalPolicy, Size, Stack
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

WHICHEVER_VERSION = (
    "One function; a run in flight calls the version it began with, whose number no template knows."
)
# What a deploy made that is taken back goes: Lambda publishes no same version twice, so that the
# same deploy could not be tried again.
KEPT = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
# Else glibc keeps memory for each thread apart, and gives little back: 20,000 updates by chromadb
# then took 580 MB instead of 250, and as long.
ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}
NAMESPACE = "EmbeddingWorkflow"  # of the metrics that functions print
LIVE = "live"  # the alias of whatever a deploy brought last

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
    """functions/NAME/handler.py, deployed; `allow` lists what it may do.

    `pinned` is this very code and configuration, for a machine that names it; `live` is whatever
    was deployed last, for who calls it outside of any machine. Old versions stay: a run in flight,
    or a deploy that goes back, still calls them, and they go with the function.
    """

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
        tracing: lambda_.Tracing = lambda_.Tracing.ACTIVE,
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
            tracing=tracing,
            environment={
                **environment,
                **platform.environment,
                **_telemetry(self, name),
                **ONE_ARENA,
            },
            current_version_options=lambda_.VersionOptions(removal_policy=KEPT),
        )
        self.timeout = timeout
        self._unversioned = platform.config.local_cloud
        self.allow(["logs:CreateLogStream", "logs:PutLogEvents"], [group.log_group_arn])
        accept(self.role, "AwsSolutions-IAM5[Resource::*]", TAKES_NO_RESOURCE)
        if not platform.config.local_cloud:
            accept(self.function, "AwsSolutions-L1", NOT_THE_NEWEST)

    @property
    def pinned(self) -> lambda_.IFunction:
        """The version of what this deploy brings; on the local cloud there is the function only."""
        return self.function if self._unversioned else self.function.current_version

    @cached_property
    def live(self) -> lambda_.IFunction:
        """The alias that a deploy moves; on the local cloud there is the function only."""
        if self._unversioned:
            return self.function
        version = self.function.current_version
        return lambda_.Alias(self, "Live", alias_name=LIVE, version=version)

    @property
    def callable_arn(self) -> str:
        """What a machine's role names: the function in whichever version."""
        arn = self.function.function_arn
        return arn if self._unversioned else f"{arn}:*"

    def accept_versions(self, role: iam.Role) -> None:
        """Accept that a role names `callable_arn`."""
        if not self._unversioned:
            element = self.function.node.default_child
            assert isinstance(element, CfnElement)  # noqa: S101 - every L2 function is made of one
            name = Stack.of(self).get_logical_id(element)
            accept(role, f"AwsSolutions-IAM5[Resource::<{name}.Arn>:*]", WHICHEVER_VERSION)

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
        "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE,
    }


def retention(config: Config) -> logs.RetentionDays:
    """Return the days that logs are kept, as CDK names them."""
    return logs.RetentionDays[LOG_RETENTION[config.log_retention_days]]
