"""A function a state: its size, its time, and what it may touch, written out on named resources."""

from typing import Unpack

from aws_cdk import Duration, Size
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from instep.cdk.function import WorkflowFunction
from instep.cdk.making import Making, Parts
from instep.cdk.storage import BATCH_PREFIX, HEADS, PACKS, VERSIONS

# Measured by `instep bench deployed`: 70,000 x 1,536 embeddings, 500 labels, 500 new words. Lambda
# gives processor time by memory, 1,769 MB being one whole core, and asks the same for half as long.
IO_BOUND = 512  # 53 to 66 MB needed; with less, loading boto3 makes a cold start of seconds
ONE_CORE = 1769  # a single thread runs no faster with more

LEASE = ["LOCK_TABLE_NAME", "LOCK_DURATION_MINUTES"]
RUNNER = ["LOCK_TABLE_NAME", "ROUND_SECONDS", "EVENT_BUS_NAME"]
FOLD = ["FOLD_MEMORY_MB", "FOLD_STORAGE_MB"]
BEAT = ["HEARTBEAT_INTERVAL_SECONDS", "ROUND_SECONDS"]

QUEUE = "dynamodb:UpdateItem"  # what it takes to say that work was queued
RETURN = ["sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
SNAPSHOTS = [HEADS, VERSIONS, PACKS]


class Functions(Making):
    """The functions of the pipeline, in the order a change meets them."""

    def __init__(self, scope: Construct, id_: str, **parts: Unpack[Parts]) -> None:
        super().__init__(scope, id_, **parts)
        self.ingest = self._ingest()
        self.parse_batch = self._parse_batch()
        self.acquire_lock = self._acquire_lock()
        self.apply_updates = self._apply_updates()
        self.upload_snapshot = self._upload_snapshot()
        self.fold_snapshot = self._fold_snapshot()
        self.release_lock = self._release_lock()
        self.settle_batch = self._settle_batch()
        self.sync_table = self._sync_table()

    @property
    def of_a_batch(self) -> list[WorkflowFunction]:
        """Those that take a parked batch through its collections."""
        return [
            self.acquire_lock,
            self.apply_updates,
            self.upload_snapshot,
            self.release_lock,
            self.settle_batch,
        ]

    def _ingest(self) -> WorkflowFunction:
        """A batch is 1,000 records, some 20 messages: seconds; a minute bounds a slow queue.

        The stream begins no trace, and Lambda would begin one a second: 13 dollars a month for
        traces that lead nowhere, for a run has its own.
        """
        made = self._function(
            "ingest",
            timeout=Duration.minutes(1),
            memory=IO_BOUND,
            reads=["INBOX_QUEUE_URL", "DLQ_URL", *RUNNER],
            tracing=lambda_.Tracing.PASS_THROUGH,
        )
        made.allow(["sqs:SendMessage"], [self._inbox, self._dlq])
        self._allow_runner(made, QUEUE)
        made.allow(["events:PutEvents"], [self._bus.event_bus_arn])
        return made

    def _parse_batch(self) -> WorkflowFunction:
        """Thousands of records by four threads, held in memory: a whole core."""
        made = self._function(
            "parse_batch",
            timeout=Duration.minutes(5),
            memory=ONE_CORE,
            reads=["INBOX_QUEUE_URL", "DLQ_URL", *LEASE, *RUNNER, "CHROMADB_BUCKET"],
        )
        made.allow(["sqs:ReceiveMessage", "sqs:GetQueueAttributes", *RETURN], [self._inbox])
        made.allow(["sqs:SendMessage"], [self._dlq])
        self._allow_leases(made)  # also of an execution that ended red
        self._allow_runner(made, "dynamodb:GetItem", QUEUE)
        made.allow(["dynamodb:Scan"], [self._locks])
        made.allow(["events:PutEvents"], [self._bus.event_bus_arn])
        self._allow_objects(made, "s3:PutObject", f"{BATCH_PREFIX}*")
        return made

    def _acquire_lock(self) -> WorkflowFunction:
        """One conditional write."""
        made = self._function(
            "acquire_lock",
            timeout=Duration.seconds(30),
            memory=IO_BOUND,
            reads=LEASE,
        )
        self._allow_leases(made)
        return made

    def _apply_updates(self) -> WorkflowFunction:
        """chromadb without its index: 205 MB needed, whatever the collection holds. 512 MB would
        hold, and a run then take three times as long for the same price. 4 GiB of /tmp for the
        warm copies of both collections beside the ones being made. Fifteen minutes is Lambda's
        longest: a first copy or a large delta may need them, a label run takes a second.
        """
        made = self._function(
            "apply_updates",
            timeout=Duration.minutes(15),
            memory=ONE_CORE,
            scratch=Size.gibibytes(4),
            reads=[
                *LEASE,
                *BEAT,
                "CHROMADB_BUCKET",
                "DYNAMODB_TABLE_NAME",
                "CHROMADB_STORAGE_MODE",
                "CHROMA_ROOT",
                "DELTA_BUCKETS",
            ],
        )
        self._allow_leases(made)
        made.allow(
            [
                "dynamodb:BatchGetItem",
                "dynamodb:GetItem",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
            ],
            [self._entities],
        )
        self._allow_objects(made, "s3:GetObject", "*")
        self._allow_objects(made, "s3:PutObject", PACKS, VERSIONS, f"{BATCH_PREFIX}*")
        self._allow_foreign_deltas(made)
        self._allow_models(made)
        return made

    def _upload_snapshot(self) -> WorkflowFunction:
        """Lease, token, one conditional write of HEAD: its lock is held for milliseconds."""
        made = self._function(
            "upload_snapshot",
            timeout=Duration.minutes(2),
            memory=IO_BOUND,
            reads=[*LEASE, *FOLD, "CHROMADB_BUCKET"],
        )
        self._allow_leases(made)
        self._allow_objects(made, "s3:GetObject", HEADS, VERSIONS)
        self._allow_objects(made, "s3:PutObject", HEADS)
        return made

    def _fold_snapshot(self) -> WorkflowFunction:
        """chromadb with its index, which stays in memory and grows with the collection: the
        configuration's to say (docs/operating.md, "Size"), as is /tmp, for two copies of all of
        it. Ten minutes are all that a hung one may hold the lease.
        """
        made = self._function(
            "fold_snapshot",
            timeout=Duration.minutes(10),
            memory=self._config.fold_memory,
            scratch=Size.gibibytes(self._config.fold_storage),
            reads=[
                *LEASE,
                *BEAT,
                *FOLD,
                "CHROMADB_BUCKET",
                "CHROMADB_STORAGE_MODE",
                "CHROMA_ROOT",
            ],
        )
        self._allow_leases(made)
        self._allow_objects(made, "s3:GetObject", *SNAPSHOTS)
        self._allow_objects(made, "s3:PutObject", *SNAPSHOTS)
        return made

    def _release_lock(self) -> WorkflowFunction:
        """One conditional write."""
        made = self._function(
            "release_lock",
            timeout=Duration.seconds(30),
            memory=IO_BOUND,
            reads=LEASE,
        )
        self._allow_leases(made)
        return made

    def _settle_batch(self) -> WorkflowFunction:
        """As many messages as ParseBatch drained, in batches of ten, and the runs' states."""
        made = self._function(
            "settle_batch",
            timeout=Duration.minutes(5),
            memory=IO_BOUND,
            reads=[
                "INBOX_QUEUE_URL",
                "DLQ_URL",
                *RUNNER,
                "CHROMADB_BUCKET",
                "DYNAMODB_TABLE_NAME",
            ],
        )
        made.allow([*RETURN, "sqs:SendMessage"], [self._inbox])
        made.allow(["sqs:SendMessage"], [self._dlq])
        self._allow_runner(made, QUEUE)
        made.allow(["events:PutEvents"], [self._bus.event_bus_arn])
        made.allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], [self._entities])
        self._allow_objects(made, "s3:GetObject", f"{BATCH_PREFIX}*")
        return made

    def _sync_table(self) -> WorkflowFunction:
        """A piece is a thousand records and takes seconds; the table is only read."""
        made = self._function(
            "sync_table",
            timeout=Duration.minutes(2),
            memory=IO_BOUND,
            reads=[
                "INBOX_QUEUE_URL",
                "DLQ_URL",
                *RUNNER,
                "CHROMADB_BUCKET",
                "DYNAMODB_TABLE_NAME",
            ],
        )
        made.allow(["dynamodb:Scan"], [self._entities])
        made.allow(["sqs:SendMessage", "sqs:GetQueueAttributes"], [self._inbox])
        made.allow(["sqs:SendMessage"], [self._dlq])
        self._allow_runner(made, QUEUE)
        made.allow(["events:PutEvents"], [self._bus.event_bus_arn])
        self._allow_objects(made, "s3:GetObject", HEADS, VERSIONS)
        return made
