"""The deployed app as a test sees it: what it holds, how it is started, and what a run did."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.function_logs import FunctionLogs
from instep.aws.objects import Objects
from instep.chroma.collection import read
from instep.clock import utc_now
from instep.flow.lock_item import KEY
from instep.flow.runner import RunnerState, RunnerTable
from instep.local.deploy import bootstrap, deploy_assembly
from instep.local.fault_proxy import FaultProxy
from instep.local.metrics import metric_sums
from instep.local.target import Target
from instep.snapshot.copy.reader import open_snapshot
from tests.support.cloud import eventually
from tests.support.deployed_machines import RUN_SECONDS, DeployedMachines
from tests.support.filters import lets_through
from tests.support.functions import Functions
from tests.support.items import record
from tests.support.receipts import Receipt


@dataclass(frozen=True)
class DeployedApp(DeployedMachines):
    """One deployment on the local cloud, with the fault proxy before its functions."""

    proxy: FaultProxy

    @classmethod
    def deploy(cls, target: Target, proxy: FaultProxy, assembly: Path) -> "DeployedApp":
        """Deploy the synthesized app with the real CDK CLI; nothing starts it but the tests."""
        bootstrap(target)
        app = cls(target, deploy_assembly(target, assembly), proxy)
        app.switch_triggers(enabled=False)
        app.schedule(enabled=False)
        app.configure_inbox(ReceiveMessageWaitTimeSeconds="0")  # one server: what it has, it has
        return app

    @cached_property
    def functions(self) -> Functions:
        """The functions of their states."""
        return Functions(self.target, list(self.machines.values()))

    def function(self, state: str) -> str:
        """Return the deployed name of the function that `state` calls."""
        return self.functions.name(state)

    def outside_of_states(self, service: str) -> str:
        """Return the deployed name of a function that no state calls."""
        return str(self._logs.functions[service]["FunctionName"])

    @cached_property
    def _logs(self) -> FunctionLogs:
        """Of this stack: other tests' are on the same cloud."""
        stack = self.deployment.state_machine_arn.rpartition(":")[2].partition("-")[0]
        return FunctionLogs(self.target, f"{stack}-")

    # -- the table, the queues, the locks

    def put(self, *items: Mapping[str, Any]) -> None:
        """Write items (DynamoDB JSON) to the entity table."""
        dynamodb = self.target.client("dynamodb")
        for item in items:
            dynamodb.put_item(TableName=self.deployment.dynamodb_table_name, Item=item)

    def delete(self, *items: Mapping[str, Any]) -> None:
        """Delete items by their keys."""
        dynamodb = self.target.client("dynamodb")
        for item in items:
            key = {"PK": item["PK"], "SK": item["SK"]}
            dynamodb.delete_item(TableName=self.deployment.dynamodb_table_name, Key=key)

    def change(self, *items: Mapping[str, Any]) -> None:
        """Write items of which the inbox gets signals, and nothing but them."""
        assert self.waiting() == (0, 0)
        self.write(*items)
        assert self.waiting() != (0, 0)

    def write(self, *items: Mapping[str, Any]) -> None:
        """Write items, and wait until ingest has queued what all of them mean: the stream may hand
        them over in several batches.
        """
        signals = sum(lets_through(record(dict(item))) for item in items)
        awaited = self._ingested() + signals
        self.put(*items)
        eventually(lambda: self._ingested() >= awaited, "ingest reads the change", timeout=90)

    def _ingested(self) -> int:
        """How many records of the stream ingest has queued so far."""
        return metric_sums(self._logs.texts("ingest"))["StreamRecordsReceived"]

    def seed(self, receipt: Receipt) -> None:
        """Bring a receipt's embeddings into both snapshots, its own signals all consumed."""
        receipt.upload(self.target.client("s3"), self.deployment.chromadb_bucket)
        self.change(*receipt.items(), receipt.run())
        assert self.run().outcome.succeeded
        self.drained()
        assert len(self.embeddings("words", receipt.prefix)) == receipt.words

    def send(self, *records: object) -> None:
        """Queue stream records as ingest would, one message for all."""
        self.target.client("sqs").send_message(
            QueueUrl=self.deployment.inbox_queue_url, MessageBody=json.dumps({"Records": records})
        )

    def waiting(self, url: str | None = None) -> tuple[int, int]:
        """Return how many messages of the inbox (or `url`) are visible, and not yet (again)."""
        kinds = ("", "NotVisible", "Delayed")
        names = [f"ApproximateNumberOfMessages{kind}" for kind in kinds]
        found = self.target.client("sqs").get_queue_attributes(
            QueueUrl=url or self.deployment.inbox_queue_url, AttributeNames=names
        )["Attributes"]
        visible, in_flight, delayed = (int(found[name]) for name in names)
        return visible, in_flight + delayed

    def peek(self) -> list[dict[str, str]]:
        """Return the message attributes of what is visible in the inbox, and leave it there."""
        found = self.target.client("sqs").receive_message(
            QueueUrl=self.deployment.inbox_queue_url,
            MessageAttributeNames=["All"],
            MaxNumberOfMessages=10,
            VisibilityTimeout=0,
        )
        return [
            {
                name: value["StringValue"]
                for name, value in message.get("MessageAttributes", {}).items()
            }
            for message in found.get("Messages", [])
        ]

    def rejected(self) -> list[dict[str, Any]]:
        """Take every message out of the DLQ and return it with its attributes."""
        sqs, taken = self.target.client("sqs"), []
        while found := sqs.receive_message(
            QueueUrl=self.deployment.dlq_url, MessageAttributeNames=["All"], MaxNumberOfMessages=10
        ).get("Messages"):
            for message in found:
                sqs.delete_message(
                    QueueUrl=self.deployment.dlq_url, ReceiptHandle=message["ReceiptHandle"]
                )
                taken.append(message)
        return taken

    def configure_inbox(self, **attributes: str) -> None:
        """Set attributes of the inbox queue: VisibilityTimeout="6" hides for six seconds."""
        url = self.deployment.inbox_queue_url
        self.target.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=attributes)

    def empty_queues(self) -> None:
        """Forget what earlier tests left in inbox and DLQ."""
        for url in (self.deployment.inbox_queue_url, self.deployment.dlq_url):
            self.target.client("sqs").purge_queue(QueueUrl=url)

    def lock(self, collection: str) -> dict[str, Any]:
        """Return the lock table's item of a collection, empty when there is none."""
        found = self.target.client("dynamodb").get_item(
            TableName=self.deployment.lock_table_name, Key={"collection": {"S": collection}}
        )
        item: dict[str, Any] = found.get("Item", {})
        return item

    def runner(self) -> RunnerState:
        """Return who drains the inbox, as the lock table has it."""
        client = self.target.client("dynamodb")
        return RunnerTable(client, self.deployment.lock_table_name).read()

    def trust_the_queue(self) -> None:
        """Have the next runner wait for what the queue says is hidden, and no longer: here it knows
        exactly what a dead one took.
        """
        self._set_of_the_runner("due", utc_now().timestamp())

    def after_a_death(self) -> None:
        """Let the next round be a large one, as after a runner that died."""
        self._set_of_the_runner("deaths", 1)

    def _set_of_the_runner(self, name: str, value: float) -> None:
        self.target.client("dynamodb").update_item(
            TableName=self.deployment.lock_table_name,
            Key={"collection": {"S": KEY}},
            UpdateExpression=f"SET {name} = :value",
            ExpressionAttributeValues={":value": {"N": f"{value:.15g}"}},
        )

    def free(self, collection: str) -> None:
        """Let a lease that was not released be as if it had expired."""
        self.target.client("dynamodb").update_item(
            TableName=self.deployment.lock_table_name,
            Key={"collection": {"S": collection}},
            UpdateExpression="REMOVE #owner, expires_at",
            ExpressionAttributeNames={"#owner": "owner"},
        )

    # -- the snapshots

    def embeddings(self, collection: str, prefix: str = "") -> dict[str, dict[str, Any]]:
        """Return the metadata of the head's embeddings whose id starts with `prefix`, by id."""
        objects = Objects(self.target.client("s3"), self.deployment.chromadb_bucket)
        snapshot = open_snapshot(objects, collection)
        try:
            carried = read(snapshot.collection)
        finally:
            snapshot.close()
        return {
            id_: dict(found.metadata) for id_, found in carried.items() if id_.startswith(prefix)
        }

    def head(self, collection: str) -> dict[str, Any] | None:
        """Return the collection's HEAD as stored, None before the first version."""
        s3 = self.target.client("s3")
        listed = s3.list_objects_v2(
            Bucket=self.deployment.chromadb_bucket, Prefix=f"{collection}/HEAD"
        )
        if not listed["KeyCount"]:
            return None
        found = s3.get_object(Bucket=self.deployment.chromadb_bucket, Key=f"{collection}/HEAD")
        head: dict[str, Any] = json.loads(found["Body"].read())
        return head

    def objects(self) -> set[str]:
        """Return the key of every object in the bucket."""
        pages = self.target.client("s3").get_paginator("list_objects_v2")
        listed = pages.paginate(Bucket=self.deployment.chromadb_bucket)
        return {entry["Key"] for page in listed for entry in page.get("Contents", [])}

    # -- what starts it

    @contextmanager
    def triggers(self) -> Iterator[None]:
        """Let events start the workflow inside the block."""
        self.switch_triggers(enabled=True)
        try:
            yield
        finally:
            self.switch_triggers(enabled=False)

    def switch_triggers(self, *, enabled: bool) -> None:
        """Switch this stack's event rules."""
        events = self.target.client("events")
        machine = self.deployment.state_machine_arn
        for rule in events.list_rules()["Rules"]:
            targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            if machine in {target["Arn"] for target in targets}:
                switch = events.enable_rule if enabled else events.disable_rule
                switch(Name=rule["Name"])

    def schedule(self, *, enabled: bool, expression: str | None = None) -> None:
        """Switch this stack's schedule, with another expression if one is given."""
        scheduler = self.target.client("scheduler")
        for listed in scheduler.list_schedules()["Schedules"]:
            found = scheduler.get_schedule(Name=listed["Name"], GroupName=listed["GroupName"])
            if found["Target"]["Arn"] == self.deployment.state_machine_arn:
                scheduler.update_schedule(
                    Name=found["Name"],
                    GroupName=found["GroupName"],
                    Target=found["Target"],
                    FlexibleTimeWindow=found["FlexibleTimeWindow"],
                    ScheduleExpression=expression or found["ScheduleExpression"],
                    State="ENABLED" if enabled else "DISABLED",
                )

    def emptied(self) -> None:
        """Drain what an earlier test left, if it left anything: with no trigger on, nobody does.

        A start that ingest announced and nobody heard is waited for half a minute, too.
        """
        if self.waiting() != (0, 0) or self.runner().is_starting:
            self.run()
        self.drained()
        self.rejected()

    def drained(self) -> None:
        """Wait until the inbox is empty, in flight included."""
        eventually(lambda: self.waiting() == (0, 0), "the inbox drains", timeout=RUN_SECONDS)
