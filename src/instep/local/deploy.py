"""Synthesize the app and deploy it with the real CDK CLI, to the local cloud or to an account."""

import json
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from instep.app import app_folder, build_folder, context_of, stack_name
from instep.cdk.node import ensure_node_modules, jsii_environment, path_with_node
from instep.local.target import Target

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

BOOTSTRAP_STACK = "CDKToolkit"

_SHOWN_LINES = 40

Report = Callable[[str], None]


class DeployFailed(Exception):
    """A step of the deployment failed; the message ends with what the step printed."""


class NotDeployed(Exception):
    """The target has no such stack: `instep up` or `instep deploy` makes it."""


@dataclass(frozen=True)
class Deployment:
    """What a person or a program needs to use a deployed stack: its outputs."""

    dynamodb_table_name: str
    chromadb_bucket: str
    lock_table_name: str
    state_machine_arn: str
    inbox_queue_url: str
    dlq_url: str
    failures_bucket: str
    event_bus_name: str
    keep_versions: str
    keep_days: str

    @classmethod
    def read(cls, target: Target, stack: str) -> "Deployment":
        """Read the outputs from CloudFormation; NotDeployed when the stack is not there."""
        found = described(target, stack)
        if found is None:
            raise NotDeployed(f"no stack {stack} there: run `instep up` or `instep deploy`")
        outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in found.get("Outputs", [])}
        unsaid = {_output_id(field.name) for field in fields(cls)} - outputs.keys()
        if unsaid:
            raise NotDeployed(
                f"the stack {stack} does not say its {', '.join(sorted(unsaid))}: it was deployed "
                f"by an older Instep; run `instep deploy` again"
            )
        return cls(**{field.name: outputs[_output_id(field.name)] for field in fields(cls)})

    def variables(self) -> dict[str, str]:
        """Return the outputs under the names of `instep env`: DYNAMODB_TABLE_NAME and so on."""
        return {field.name.upper(): getattr(self, field.name) for field in fields(self)}


def deploy(
    target: Target,
    context: Mapping[str, str] | None = None,
    report: Report | None = None,
) -> Deployment:
    """Synthesize with cdk.json's context and `context` over it, bootstrap where needed, deploy.

    `report` gets each line the steps print. DeployFailed names the step that failed;
    ConfigurationMissing when this is no app's folder.
    """
    name = (context or {}).get("name", stack_name())
    knobs = {"localCloud": "true" if target.local else "false", **(context or {})}
    with (
        tempfile.TemporaryDirectory(prefix="instep-cdk-") as scratch,
        ThreadPoolExecutor(max_workers=1) as beside,
    ):
        assembly = beside.submit(synthesize, Path(scratch) / "cdk.out", knobs, report)
        bootstrap(target, report)  # seconds of waiting, which synthesis uses
        return deploy_assembly(target, assembly.result(), name, report)


def synthesize(assembly: Path, context: Mapping[str, str], report: Report | None = None) -> Path:
    """Write the app's cloud assembly into `assembly` and return it. No AWS call is made.

    An app without an app.py is what its cdk.json says: instep/cdk/app.py. What is for the local
    cloud is not held to CloudFormation's rules: that would be half of the work.
    """
    app = app_folder()
    program = ["app.py"] if (app / "app.py").is_file() else ["-m", "instep.cdk.app"]
    environ = {
        **_inherited(),
        "CDK_OUTDIR": str(assembly),
        "CDK_CONTEXT_JSON": json.dumps(context_of(app) | dict(context)),
    }
    if context.get("localCloud") == "true":
        environ["CDK_VALIDATION"] = "false"
    _run("synthesis", [sys.executable, *program], environ, app, report)
    return assembly


def bootstrap(target: Target, report: Report | None = None) -> None:
    """Make the CDK's own bucket and roles in the target, unless they are there.

    Run in an empty folder: in ours the CLI would synthesize the app first.
    """
    if is_bootstrapped(target):
        return
    account, region = target.account_and_region()
    with tempfile.TemporaryDirectory(prefix="instep-bootstrap-") as empty:
        _cdk(target, ["bootstrap", f"aws://{account}/{region}"], Path(empty), report)


def deploy_assembly(
    target: Target, assembly: Path, stack: str | None = None, report: Report | None = None
) -> Deployment:
    """Deploy `stack` (the app's) of `assembly` with the CDK CLI and return its outputs."""
    stack = stack or stack_name()
    arguments = ["deploy", stack, "--app", str(assembly), "--require-approval", "never"]
    with tempfile.TemporaryDirectory(prefix="instep-deploy-") as empty:
        _cdk(target, [*arguments, "--progress", "events"], Path(empty), report)
    return Deployment.read(target, stack)


def changes_of_rights(target: Target, assembly: Path, stack: str) -> str:
    """Return what deploying `assembly` would change in IAM and security groups, as CDK tells it."""
    shown: list[str] = []
    arguments = ["diff", stack, "--app", str(assembly), "--security-only", "--method", "template"]
    with tempfile.TemporaryDirectory(prefix="instep-diff-") as empty:
        _cdk(target, arguments, Path(empty), shown.append)
    return "\n".join(shown).strip()


def is_bootstrapped(target: Target) -> bool:
    """Say whether the CDK's own stack is in the target."""
    return described(target, BOOTSTRAP_STACK) is not None


def described(target: Target, stack: str) -> "StackTypeDef | None":
    """Return what CloudFormation says of a stack, None where it knows of none."""
    from botocore.exceptions import ClientError  # boto3, which not every command needs

    cloudformation: CloudFormationClient = target.client("cloudformation")
    try:
        return cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ValidationError":
            raise
        return None


def _cdk(target: Target, arguments: list[str], folder: Path, report: Report | None) -> None:
    programs = ensure_node_modules(build_folder(app_folder()))
    environ = {
        **target.environ,
        "PATH": path_with_node(programs),
        "HOME": str(folder) if target.local else target.environ.get("HOME", ""),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CI": "true",
        "COLUMNS": "200",  # in narrower ones its tables cut words apart
    }
    options = ["--no-version-reporting", "--no-notices", "--no-color"]
    command = [str(programs / "cdk"), *arguments, *options]
    _run(f"cdk {arguments[0]}", command, environ, folder, report)


def _inherited() -> dict[str, str]:
    """Return this process's environment for synthesis, with our Node and with .pyc files."""
    environ = {**Target.aws().environ, **jsii_environment()}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return environ


def _run(
    step: str, command: list[str], environ: Mapping[str, str], folder: Path, report: Report | None
) -> None:
    shown: deque[str] = deque(maxlen=_SHOWN_LINES)
    with subprocess.Popen(  # noqa: S603 - our own programs, no shell
        command,
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - asked for above
        for line in process.stdout:
            shown.append(line.rstrip())
            if report is not None:
                report(line.rstrip())
    if process.returncode != 0:
        raise DeployFailed(f"{step} failed ({process.returncode}):\n" + "\n".join(shown))


def _output_id(name: str) -> str:
    return "".join(part.title() for part in name.split("_"))
