"""The items' app on a local cloud of its own, over a table that was there before it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.items_app.items import APP, COLLECTION, DOMAIN, item
from benchmarks.wire_usage import CountingProxy
from instep.app import context_of
from instep.cdk.node import jsii_environment
from instep.cli.filling import put_items
from instep.cli.session import Session
from instep.domain import Domain
from instep.local.deploy import bootstrap, deploy_assembly
from instep.local.launcher import LocalCloud
from instep.local.target import Target
from instep.snapshot.copy.store import SnapshotStore

TABLE = "Things"
STACK = "Items"
_BUILD = Path(__file__).resolve().parents[2] / ".build"


@dataclass(frozen=True)
class ItemsSession(Session):
    """A command's session, in which the app is this one."""

    @cached_property
    def domain(self) -> Domain:
        """The items'."""
        return DOMAIN

    @property
    def store(self) -> SnapshotStore:
        """The items' snapshots."""
        return SnapshotStore(self.objects, COLLECTION)


@contextmanager
def items_app(
    scratch: Path, items: int, context: Mapping[str, str], proxy: CountingProxy
) -> Iterator[ItemsSession]:
    """Fill a table, then turn its stream on and deploy beside it, as who adopts the app does."""
    cloud = LocalCloud.start(scratch / "cloud", functions_endpoint=proxy.endpoint, tied=True)
    try:
        proxy.upstream = cloud.endpoint
        target = Target.of(cloud)
        stream = _fill(target, items)
        knobs = {
            "localCloud": "true",
            "entityTableName": TABLE,
            "entityTableStreamArn": stream,
            **context,
        }
        assembly = _synthesize(scratch / "cdk.out", knobs)
        bootstrap(target)
        yield ItemsSession(target, deploy_assembly(target, assembly, STACK))
    finally:
        cloud.stop()


def _fill(target: Target, items: int) -> str:
    """Make the table, write its items, and only then turn its stream on; return the stream."""
    dynamodb = target.client("dynamodb")
    keys = (("PK", "HASH"), ("SK", "RANGE"))
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
    )
    put_items(dynamodb, TABLE, (item(number, price=0) for number in range(items)))
    on: Any = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    dynamodb.update_table(TableName=TABLE, StreamSpecification=on)
    found: str = dynamodb.describe_table(TableName=TABLE)["Table"]["LatestStreamArn"]
    return found


def _synthesize(assembly: Path, context: Mapping[str, str]) -> Path:
    """Run the app in its own folder, with what this repository has built for its layer already."""
    build = APP / ".build"
    build.mkdir(exist_ok=True)
    for made in ("node", "dependencies"):
        if not (build / made).exists():
            (build / made).symlink_to(_BUILD / made)
    environ = {
        **Target.aws().environ,
        **jsii_environment(),
        "CDK_OUTDIR": str(assembly),
        "CDK_CONTEXT_JSON": json.dumps(context_of(APP) | dict(context)),
    }
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "app.py"]
    subprocess.run(command, cwd=APP, env=environ, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    return assembly
