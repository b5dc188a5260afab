"""Which cloud a command acts on, decided once: fail closed, never guess an account.

With `--aws`: the account of the AWS environment, which is shown first. Else the loopback endpoint
in AWS_ENDPOINT_URL; else the local cloud that this app's `instep up` started; else refuse.
"""

import os
import socket
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from instep.cli.output import Refused, remarks
from instep.local.deploy import Deployment
from instep.local.environment import client_environment
from instep.local.guard import ENDPOINT, EndpointNotLocal, require_local_endpoint
from instep.local.launcher import LocalCloud
from instep.local.target import Target

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

    from instep.aws.objects import Objects
    from instep.domain import Domain

_CONNECT_SECONDS: Final = 3.0


@dataclass(frozen=True)
class Session:
    """A target and the stack deployed there, with a client of each service commands use."""

    target: Target
    deployment: Deployment

    @cached_property
    def objects(self) -> "Objects":
        """The snapshots' bucket."""
        from instep.aws.objects import Objects  # boto3, which not every command needs

        return Objects(self.target.client("s3"), self.deployment.chromadb_bucket)

    @cached_property
    def domain(self) -> "Domain":
        """What this app keeps in step."""
        from instep.binding import load_domain

        return load_domain()

    @cached_property
    def collections(self) -> list[str]:
        """The names of the collections; with them alone, the domain need not be loaded."""
        from instep.binding import collection_names

        return collection_names()

    def chosen(self, collection: str | None) -> list[str]:
        """Return the one collection that was asked for, or all."""
        return self.collections if collection is None else [collection]

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """For the entity table and the lock table."""
        client: DynamoDBClient = self.target.client("dynamodb")
        return client

    @cached_property
    def sqs(self) -> "SQSClient":
        """For the inbox and the DLQ."""
        client: SQSClient = self.target.client("sqs")
        return client

    @cached_property
    def stepfunctions(self) -> "SFNClient":
        """For the executions."""
        client: SFNClient = self.target.client("stepfunctions")
        return client


def open_session(*, aws: bool, stack: str) -> Session:
    """Return the session a command works in.

    EndpointNotLocal when no local cloud is meant or runs; NotDeployed without the stack.
    """
    target = find_target(aws=aws)
    return Session(target, Deployment.read(target, stack))


def find_target(*, aws: bool) -> Target:
    """Return where to act; with `aws`, after showing account and region on stderr."""
    if aws:
        return _account()
    if os.environ.get(ENDPOINT):
        endpoint = require_local_endpoint()
        _require_listener(endpoint)
        return Target(client_environment(endpoint), local=True)
    running = LocalCloud.running()
    if running is None:
        raise EndpointNotLocal(
            f"no local cloud runs here and {ENDPOINT} is not set: run `instep up` first "
            f"(or give --aws where a command offers it and an account is what you mean)"
        )
    return Target.of(running)


def _require_listener(endpoint: str) -> None:
    """Say at once that a cloud is gone; botocore would try for ten seconds."""
    parts = urlsplit(endpoint)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    try:
        socket.create_connection((parts.hostname, port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise Refused(
            f"nothing answers at {ENDPOINT}={endpoint} ({error.strerror or error}): unset it, or "
            f'run `instep up` and `eval "$(instep env)"` again'
        ) from error


def _account() -> Target:
    redirected = [name for name in os.environ if name.startswith(ENDPOINT)]
    if redirected:
        raise Refused(f"--aws means an account, but {redirected[0]} is set: unset it")
    target = Target.aws()
    _require_credentials()
    account, region = target.account_and_region()
    remarks.print(f"AWS account [bold]{account}[/], region [bold]{region}[/]")
    return target


def _require_credentials() -> None:
    """Say what is missing; without a region STS would answer for a place that is none."""
    from boto3 import Session as Boto

    environment = Boto()
    if not environment.region_name:
        raise Refused("no region is set: give AWS_REGION, or a profile that has one")
    if environment.get_credentials() is None:
        raise Refused("no credentials are set: give AWS_PROFILE, or run `aws configure sso`")
