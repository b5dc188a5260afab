"""Processes that share one bucket and one lock table: MiniStack on loopback, which outlives them.

They are forked from a server that has loaded the engine once, so that one costs milliseconds.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Final

import boto3
from botocore.config import Config

from instep.local.launcher import LocalCloud
from instep.scratch import scratch_folder
from tests.support.aws import BUCKET, LOCKS, REGION, Services
from tests.support.snapshots import World

FORKED: Final[ForkServerContext] = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["tests.support.forked"])


@contextmanager
def shared_world(scratch: Path) -> Iterator[tuple[World, str]]:
    """Yield a world on a cloud of its own, and the endpoint by which others reach it."""
    cloud = LocalCloud.start(scratch / "cloud", tied=True)
    try:
        world = world_at(cloud.endpoint, scratch)
        world.aws.s3.create_bucket(Bucket=BUCKET)
        world.aws.dynamodb.create_table(
            TableName=LOCKS,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "collection", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "collection", "KeyType": "HASH"}],
        )
        yield world, cloud.endpoint
    finally:
        cloud.stop()


def world_at(endpoint: str, scratch: Path) -> World:
    """The world as another process sees it, with folders of its own under `scratch`."""
    session = boto3.Session("testing", "testing", region_name=REGION)
    config = Config(proxies={})
    s3 = session.client("s3", endpoint_url=endpoint, config=config)
    dynamodb = session.client("dynamodb", endpoint_url=endpoint, config=config)
    return World(Services(dynamodb, None, s3, None, "", ""), scratch)


def killed_in_scratch(root: Path) -> Path:
    """Return the scratch folder that a process left which was killed in it."""
    process = FORKED.Process(target=_die_in_scratch, args=(root,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (left,) = root.glob("*delta-*")
    return left


def _die_in_scratch(root: Path) -> None:
    with scratch_folder(root, "delta") as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_bytes(b"x" * 5000)
        os.kill(os.getpid(), signal.SIGKILL)
