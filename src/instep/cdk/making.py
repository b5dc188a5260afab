"""How a function of the pipeline is made: its settings from the deployment's names, and what it may
touch, on named resources.
"""

from collections.abc import Sequence
from typing import TypedDict, Unpack

from aws_cdk import Duration, Size, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from instep.cdk.config import Config
from instep.cdk.function import Platform, WorkflowFunction
from instep.cdk.ingest import Queues
from instep.cdk.models import bedrock_arns
from instep.cdk.nag import accept, accept_objects
from instep.cdk.shared_cache import MOUNT, SharedCache
from instep.cdk.storage import Storage
from instep.flow.lock_item import KEY

# A lease outlives two missed heartbeats, and a process that died by less than a minute.
LOCK_DURATION = Duration.minutes(1)
HEARTBEAT_INTERVAL = Duration.seconds(15)


class Parts(TypedDict):
    """What functions stand on."""

    platform: Platform
    storage: Storage
    queues: Queues
    bus: events.IEventBus
    cache: SharedCache | None


class Making(Construct):
    """What the functions of the pipeline have in common."""

    def __init__(self, scope: Construct, id_: str, **parts: Unpack[Parts]) -> None:
        super().__init__(scope, id_)
        self._platform = platform = parts["platform"]
        self._storage = storage = parts["storage"]
        self._queues = queues = parts["queues"]
        self._bus = bus = parts["bus"]
        self._cache = parts["cache"]
        self._names = {
            "DYNAMODB_TABLE_NAME": storage.entities.table_name,
            "CHROMADB_BUCKET": storage.bucket.bucket_name,
            "LOCK_TABLE_NAME": storage.locks.table_name,
            "INBOX_QUEUE_URL": queues.inbox.queue_url,
            "DLQ_URL": queues.dlq.queue_url,
            "EVENT_BUS_NAME": bus.event_bus_name,
            "LOCK_DURATION_MINUTES": str(LOCK_DURATION.to_minutes()),
            "HEARTBEAT_INTERVAL_SECONDS": str(HEARTBEAT_INTERVAL.to_seconds()),
            "ROUND_SECONDS": str(platform.config.round_seconds),
            "FOLD_MEMORY_MB": str(platform.config.fold_memory),
            "FOLD_STORAGE_MB": str(platform.config.fold_storage * 1024),
            "CHROMADB_STORAGE_MODE": platform.config.storage_mode,
            "CHROMA_ROOT": "/tmp/chroma",  # noqa: S108 - Lambda's only writable folder, its own
            "DELTA_BUCKETS": ",".join(platform.config.delta_buckets),
        }

    def _function(
        self,
        name: str,
        *,
        timeout: Duration,
        memory: int,
        reads: Sequence[str],
        scratch: Size | None = None,
        tracing: lambda_.Tracing = lambda_.Tracing.ACTIVE,
    ) -> WorkflowFunction:
        """Make a function; one that reads the storage mode reads packs, so it has the cache."""
        cache = self._cache if "CHROMADB_STORAGE_MODE" in reads else None
        environment = {key: self._names[key] for key in reads}
        if cache:
            environment["CHROMA_CACHE_ROOT"] = MOUNT
        return WorkflowFunction(
            self,
            "".join(part.title() for part in name.split("_")),
            name=name,
            platform=self._platform,
            timeout=timeout,
            memory=memory,
            scratch=scratch,
            cache=cache,
            tracing=tracing,
            environment=environment,
        )

    def _allow_objects(self, made: WorkflowFunction, action: str, *patterns: str) -> None:
        """Grant one action on our bucket's keys, which end in versions, hashes or executions.

        Who may read may list too: without that right S3 answers 403 for a key that is not there.
        """
        bucket = self._storage.bucket
        made.allow([action], [bucket.arn_for_objects(pattern) for pattern in patterns])
        if action == "s3:GetObject":
            made.allow(["s3:ListBucket"], [bucket.bucket_arn])
        for pattern in patterns:
            accept_objects(made.role, bucket, pattern)

    def _allow_leases(self, made: WorkflowFunction) -> None:
        """Let a function read and write the collections' items of the lock table, not another."""
        self._allow_locks(made, ["dynamodb:GetItem", "dynamodb:UpdateItem"], self._collections)

    def _allow_runner(self, made: WorkflowFunction, *actions: str) -> None:
        """Let a function do `actions` on the runner's item of the lock table."""
        self._allow_locks(made, actions, [KEY])

    def _allow_locks(
        self, made: WorkflowFunction, actions: Sequence[str], keys: Sequence[str]
    ) -> None:
        only = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": list(keys)}}
        made.allow(actions, [self._locks], only)

    def _allow_models(self, made: WorkflowFunction) -> None:
        """Let a function ask the models of Bedrock that the domain's collections name."""
        models = bedrock_arns(self, self._platform.domain, self._config)
        if models:
            made.allow(["bedrock:InvokeModel"], models)

    def _allow_foreign_deltas(self, made: WorkflowFunction) -> None:
        for name in self._config.delta_buckets:
            arn = f"arn:{Stack.of(self).partition}:s3:::{name}"
            made.allow(["s3:ListBucket"], [arn])
            made.allow(["s3:GetObject"], [f"{arn}/*"])
            accept(
                made.role,
                f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:s3:::{name}/*]",
                "The operator names the bucket; where in it a delta lies, its run says.",
            )

    @property
    def _config(self) -> Config:
        return self._platform.config

    @property
    def _collections(self) -> list[str]:
        return list(self._platform.domain.collections)

    @property
    def _inbox(self) -> str:
        return self._queues.inbox.queue_arn

    @property
    def _dlq(self) -> str:
        return self._queues.dlq.queue_arn

    @property
    def _locks(self) -> str:
        return self._storage.locks.table_arn

    @property
    def _entities(self) -> str:
        return self._storage.entities.table_arn
