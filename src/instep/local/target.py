"""Where a command acts, as a value: the local cloud, or the account the AWS environment means."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from instep.local.guard import require_local_endpoint
from instep.local.launcher import LocalCloud

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_sts import STSClient


@dataclass(frozen=True)
class Target:
    """A process environment in which AWS means one place; `local` says that it is this machine."""

    environ: Mapping[str, str]
    local: bool

    @classmethod
    def of(cls, cloud: LocalCloud) -> "Target":
        """Return the target that is this local cloud."""
        return cls(cloud.env(), local=True)

    @classmethod
    def aws(cls) -> "Target":
        """Return the account that the process's own environment means: show it before acting."""
        return cls(dict(os.environ), local=False)

    def client(self, service: str, config: "Config | None" = None) -> Any:
        """Return a boto3 client for the target; EndpointNotLocal when a local one would leave."""
        import boto3  # 0.2 s that not every command needs

        if not self.local:
            return boto3.client(service, config=config)  # type: ignore[call-overload]
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=require_local_endpoint(self.environ),
            region_name=self.environ["AWS_REGION"],
            aws_access_key_id=self.environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environ["AWS_SECRET_ACCESS_KEY"],
            config=config,
        )

    def account_and_region(self) -> tuple[str, str]:
        """Return the account's number, asked of STS, and the region's name."""
        sts: STSClient = self.client("sts")
        return sts.get_caller_identity()["Account"], sts.meta.region_name
