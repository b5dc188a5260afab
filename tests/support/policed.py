"""An app deployed with every policy evaluated, and people with one of its policies to their name.

MiniStack evaluates policies under AUTH=true; it speaks http only, so the policies that demand TLS
are left out here (that they are there is asserted on the template).
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from botocore.config import Config
from botocore.model import OperationModel

from instep.app import DEFAULT_STACK
from instep.local.deploy import bootstrap, deploy_assembly
from instep.local.target import Target
from tests.support.cloud import faulty_cloud
from tests.support.deployed import DeployedApp

_SINGLE: Final = ("sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
_AUTHORIZED_AS: Final = {
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:DeleteObjects": "s3:DeleteObject",
    **{f"{action}Batch": action for action in _SINGLE},
}


@contextmanager
def policed_app(assembly: Path, folder: Path) -> Iterator[DeployedApp]:
    """Deploy an assembly on a cloud of its own that evaluates policies."""
    with faulty_cloud(folder / "state", AUTH="true") as (cloud, proxy):
        target = Target.of(cloud)
        bootstrap(target)
        for bucket in target.client("s3").list_buckets()["Buckets"]:
            target.client("s3").delete_bucket_policy(Bucket=bucket["Name"])  # the CDK's own
        plain = _as_ministack_reads_it(assembly, folder / "cdk.out")
        app = DeployedApp(target, deploy_assembly(target, plain), proxy)
        app.schedule(enabled=False)
        yield app


@dataclass(frozen=True)
class Person(Target):
    """The cloud as it is to a user: what the policy allows, and the actions that were called."""

    may: frozenset[str] = frozenset()
    called: set[str] = field(default_factory=set)

    def client(self, service: str, config: Config | None = None) -> Any:
        """Return a client whose calls are noted."""
        made = super().client(service, config)
        made.meta.events.register("before-call", self._note)
        return made

    def _note(self, model: OperationModel, **_: object) -> None:
        action = f"{model.service_model.signing_name}:{model.name}"
        self.called.add(_AUTHORIZED_AS.get(action, action))


def person(app: DeployedApp, output: str) -> Person:
    """Return a new user who has the policy of this output and nothing else.

    But for the histories of rounds, which are asked for where they are kept: AWS keeps none.
    """
    described = app.target.client("cloudformation").describe_stacks(StackName=DEFAULT_STACK)
    outputs = {one["OutputKey"]: one["OutputValue"] for one in described["Stacks"][0]["Outputs"]}
    iam, arn = app.target.client("iam"), outputs[output]
    iam.create_user(UserName=output)
    iam.attach_user_policy(UserName=output, PolicyArn=arn)
    iam.put_user_policy(
        UserName=output, PolicyName="Rounds", PolicyDocument=json.dumps(_histories(app))
    )
    key = iam.create_access_key(UserName=output)["AccessKey"]
    environ = dict(app.target.environ)
    environ["AWS_ACCESS_KEY_ID"] = key["AccessKeyId"]
    environ["AWS_SECRET_ACCESS_KEY"] = key["SecretAccessKey"]
    return Person(environ, local=True, may=_actions(iam, arn))


def _actions(iam: Any, arn: str) -> frozenset[str]:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    listed = [one["Action"] for one in found["Statement"]]
    actions = [action for some in listed for action in ([some] if isinstance(some, str) else some)]
    return frozenset(_AUTHORIZED_AS.get(action, action) for action in actions)


def _histories(app: DeployedApp) -> dict[str, object]:
    arn: str = app.machines["runner"]["States"]["Round"]["Parameters"]["StateMachineArn"]
    actions = ["states:DescribeStateMachineForExecution", "states:GetExecutionHistory"]
    executions = arn.replace(":stateMachine:", ":execution:") + ":*"
    statement = {"Effect": "Allow", "Action": actions, "Resource": executions}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _as_ministack_reads_it(assembly: Path, copy: Path) -> Path:
    """Copy the assembly without the policies that demand TLS, and with the batch actions of SQS,
    which AWS allows under the single action's name.
    """
    shutil.copytree(assembly, copy)
    path = copy / f"{DEFAULT_STACK}.template.json"
    template = json.loads(path.read_text())
    demanding = {
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] in {"AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"}
    }
    for name in demanding:
        del template["Resources"][name]
    for resource in template["Resources"].values():
        after = resource.pop("DependsOn", [])
        resource["DependsOn"] = [name for name in after if name not in demanding]
        if resource["Type"] in {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}:
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                statement["Action"] = _with_batches(statement["Action"])
    path.write_text(json.dumps(template))
    return copy


def _with_batches(actions: str | list[str]) -> list[str]:
    listed = [actions] if isinstance(actions, str) else actions
    return [*listed, *(f"{action}Batch" for action in listed if action in _SINGLE)]
