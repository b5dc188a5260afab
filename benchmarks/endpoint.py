"""The S3 and DynamoDB every side talks to: MiniStack in a process of its own, on loopback.

Not moto: its server copies an object for every ranged GET (which is how boto3 and LanceDB read),
and in one process the two would share an interpreter lock with what is measured.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from instep.local.guard import EndpointNotLocal, is_loopback
from instep.local.launcher import LocalCloud

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

REGION = "us-east-1"
KEY = "bench"  # dummy credentials: nothing leaves this machine
LOCK_TABLE = "bench-locks"


@dataclass(frozen=True)
class Endpoint:
    """A loopback endpoint; EndpointNotLocal for any other."""

    url: str

    def __post_init__(self) -> None:  # noqa: D105 - the class says what is checked
        if not is_loopback(self.url):
            raise EndpointNotLocal(f"{self.url} leaves this machine: benchmarks never do")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 80)

    def s3(self) -> "S3Client":
        """Return a client of its own connection pool."""
        client: S3Client = self._client("s3")
        return client

    def dynamodb(self) -> "DynamoDBClient":
        """Return a client for the lock table."""
        client: DynamoDBClient = self._client("dynamodb")
        return client

    def sqs(self) -> "SQSClient":
        """Return a client for queues."""
        client: SQSClient = self._client("sqs")
        return client

    def lock_table(self) -> str:
        """Create the lock table of the engine and return its name."""
        client = self.dynamodb()
        if LOCK_TABLE not in client.list_tables()["TableNames"]:
            client.create_table(
                TableName=LOCK_TABLE,
                KeySchema=[{"AttributeName": "collection", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "collection", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        return LOCK_TABLE

    def _client(self, service: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=KEY,
            config=Config(proxies={}, max_pool_connections=32),
        )


@contextmanager
def local_endpoint() -> Iterator[Endpoint]:
    """Start MiniStack for the block; it dies with this process whatever happens."""
    with TemporaryDirectory(prefix="instep-bench-") as scratch:
        cloud = LocalCloud.start(Path(scratch) / "cloud", tied=True)
        try:
            yield Endpoint(cloud.endpoint)
        finally:
            cloud.stop()


def empty_bucket(client: "S3Client", bucket: str) -> None:
    """Make sure that `bucket` exists and that nothing lies in it."""
    if bucket not in {found.get("Name") for found in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=bucket)
    for key in keys_under(client, bucket, ""):
        client.delete_object(Bucket=bucket, Key=key)


def keys_under(client: "S3Client", bucket: str, prefix: str) -> list[str]:
    """Return the keys that start with `prefix`."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [entry["Key"] for page in pages for entry in page.get("Contents", ())]


def copy_bucket(client: "S3Client", source: str, target: str) -> None:
    """Make `target` hold exactly what `source` holds, copied on the server."""
    empty_bucket(client, target)
    for key in keys_under(client, source, ""):
        client.copy_object(Bucket=target, Key=key, CopySource={"Bucket": source, "Key": key})
