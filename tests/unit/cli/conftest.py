"""A deployment on moto that commands act on with `--aws`, and ways to fill its table and heads."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.core.config import default_user_config
from typer.testing import CliRunner, Result

from instep.aws.objects import Objects
from instep.cli.app import app
from instep.embedding.local import WIDTH
from instep.flow.lease import LeaseTable
from instep.local.deploy import Deployment
from instep.snapshot.acts.publish import publish
from instep.snapshot.acts.workspace import open_workspace
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.freshness import ChangeTimes
from receipt_demo.items import Item, items_of, word_key
from receipt_demo.receipts import Receipt, generate
from receipt_demo.vectors import vectors_of
from receipt_domain.oracle import expected
from tests.support.aws import BUCKET, BUS, ENTITIES, FAILURES, LOCKS, Services, services

Metadata = Mapping[str, Any]

RECEIPT = generate(count=1)[0]
WORD = next(word for word in RECEIPT.words if word.label)
WORD_ID = f"IMAGE#{RECEIPT.image_id}#{word_key(RECEIPT, WORD)}"


@dataclass
class Cli:
    """The command line against the moto deployment."""

    made: Services
    deployment: Deployment
    scratch: Path
    _written: int = field(default=0)

    def run(self, *arguments: str, given: str | None = None) -> Result:
        """Run a command with `--aws`, which here means moto."""
        return CliRunner().invoke(app, [*arguments, "--aws"], input=given)

    def json(self, *arguments: str, given: str | None = None) -> Any:
        """Run a command with `--json` and return the document it printed."""
        return json.loads(self.run(*arguments, "--json", given=given).stdout)

    def put(self, *items: Mapping[str, Any]) -> None:
        """Put items into the table."""
        for item in items:
            self.made.dynamodb.put_item(TableName=ENTITIES, Item=item)

    def publish(
        self,
        collection: str,
        embeddings: Mapping[str, Metadata],
        width: int = WIDTH,
        made: Sequence[datetime] = (),
    ) -> str:
        """Publish a version that holds exactly these embeddings, from changes `made` then; return
        its name.
        """
        self._written += 1
        store = SnapshotStore(Objects(self.made.s3, BUCKET), collection)
        leases = LeaseTable(self.made.dynamodb, LOCKS, timedelta(minutes=5))
        lease = leases.acquire(collection, "test", f"{collection} {self._written}")
        with open_workspace(store, self.scratch / collection) as workspace:
            held: Any = workspace.client.get_collection(collection)
            gone = set(held.get(include=[])["ids"])
            if gone:
                held.delete(ids=sorted(gone))
            if embeddings:
                held.add(
                    ids=list(embeddings),
                    embeddings=[[float(n == 0) for n in range(width)]] * len(embeddings),
                    metadatas=[dict(each) for each in embeddings.values()],
                    documents=[str(each.get("text", id_)) for id_, each in embeddings.items()],
                )
            newest = max(made).isoformat() if made else None
            times = ChangeTimes.of(made)
            staged = workspace.stage("test", lease.fencing_token, newest, {}, times)
        version: str = publish(store, staged, lease, leases).version
        leases.release(lease)
        return version


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cli]:
    """The command line against a deployment on moto, whose state machine runs on moto too."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setitem(default_user_config["stepfunctions"], "execute_state_machine", True)
    with services(monkeypatch) as made:
        machine = boto3.client("stepfunctions").create_state_machine(
            name="machine", definition=json.dumps(MACHINE), roleArn=ROLE
        )["stateMachineArn"]
        deployment = Deployment(
            dynamodb_table_name=ENTITIES,
            chromadb_bucket=BUCKET,
            lock_table_name=LOCKS,
            state_machine_arn=machine,
            inbox_queue_url=made.inbox_url,
            dlq_url=made.dlq_url,
            failures_bucket=FAILURES,
            event_bus_name=BUS,
            keep_versions="1",
            keep_days="7",
        )
        monkeypatch.setattr(Deployment, "read", classmethod(lambda *_: deployment))
        yield Cli(made, deployment, tmp_path / "warm")


def in_step(receipt: Receipt, items: list[Item]) -> dict[str, dict[str, dict[str, Any]]]:
    """What the heads hold once everything in `items` has arrived."""
    wanted = expected(items)
    carried: dict[str, dict[str, dict[str, Any]]] = {}
    for collection, vectors in vectors_of([receipt]).items():
        carried[collection] = {
            id_: {"text": fields["text"], **wanted[collection][id_]}
            for id_, fields in zip(vectors.ids, vectors.metadatas, strict=True)
        }
    return carried


@pytest.fixture
def heads(cli: Cli) -> dict[str, dict[str, dict[str, Any]]]:
    """A table with one receipt and heads in step with it; the heads may be edited further."""
    items = list(items_of(RECEIPT))
    cli.put(*items)
    carried = in_step(RECEIPT, items)
    for collection, embeddings in carried.items():
        cli.publish(collection, embeddings)
    return carried


ROLE = "arn:aws:iam::123456789012:role/machine"
MACHINE = {
    "StartAt": "Look",
    "States": {
        "Look": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.Records", "IsPresent": True, "Next": "Broken"}],
            "Default": "Fine",
        },
        "Fine": {"Type": "Succeed"},
        "Broken": {"Type": "Fail", "Error": "InputRejected", "Cause": "these are no records"},
    },
}
