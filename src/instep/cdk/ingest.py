"""Table stream -> ingest function -> inbox queue, and where what cannot pass is kept."""

import json

from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from instep.cdk.config import Config
from instep.cdk.keys import Keys
from instep.cdk.nag import accept, accept_objects
from instep.cdk.storage import NO_ACCESS_LOG, empties_itself, encryption, removal
from instep.domain import Domain
from instep.flow.pace import HIDDEN

# What a run that died had taken comes back after it. Shorter than many a round, for only the
# runner drains: whatever comes back while it works, it has settled before it looks again.
VISIBILITY = Duration.seconds(int(HIDDEN.total_seconds()))
LONG_POLL = Duration.seconds(1)  # asks every server of the queue before it says "empty"
# A message that SQS gives up on keeps the time of its first sending: the DLQ must outlive the inbox
# by what a person needs to come back from a holiday.
INBOX_RETENTION = Duration.days(7)
DLQ_RETENTION = Duration.days(14)  # the longest SQS offers
# Deferred messages come back often and are no failure: poison is known by its content. The limit
# only ends what our code never got to judge.
MAX_RECEIVES = 1000

LAMBDA_PREFIX = "aws/lambda/*"  # where Lambda writes records it gave up on
FAILURE_DAYS = 90  # the table has the items; what is older than a quarter nobody sends again
FOR_EVER = -1  # tries, that is: until a record's age ends them


class Queues(Construct):
    """The durable inbox, and the DLQ that holds poison with its reason."""

    def __init__(self, scope: Construct, id_: str, *, config: Config, keys: Keys) -> None:
        super().__init__(scope, id_)
        kinds = sqs.QueueEncryption
        encrypted = kinds.KMS if keys.data else kinds.SQS_MANAGED
        self.dlq = sqs.Queue(
            self,
            "Dlq",
            encryption=encrypted,
            encryption_master_key=keys.data,
            enforce_ssl=True,
            removal_policy=removal(config),
            retention_period=DLQ_RETENTION,
        )
        self.inbox = sqs.Queue(
            self,
            "Inbox",
            encryption=encrypted,
            encryption_master_key=keys.data,
            enforce_ssl=True,
            removal_policy=removal(config),
            retention_period=INBOX_RETENTION,
            visibility_timeout=VISIBILITY,
            receive_message_wait_time=LONG_POLL,
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dlq, max_receive_count=MAX_RECEIVES),
        )
        for queue in (self.dlq, self.inbox):
            keys.cover(queue.queue_arn, keys.data)


class StreamIngest(Construct):
    """The event source mapping: which changes reach ingest, how many at once, and what becomes of
    a batch that ingest cannot get through.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: Config,
        table: dynamodb.ITable,
        function: lambda_.IFunction,
        domain: Domain,
        keys: Keys,
    ) -> None:
        super().__init__(scope, id_)
        self._keys = keys
        self.failures = self._failure_bucket(config)
        stream = table.table_stream_arn
        assert stream is not None  # noqa: S101 - both tables of storage.py have one
        access = self._grant(function, stream)
        self.mapping = mapping = lambda_.CfnEventSourceMapping(
            self,
            "Stream",
            function_name=function.function_arn,
            event_source_arn=stream,
            starting_position="TRIM_HORIZON",
            batch_size=1000,
            maximum_batching_window_in_seconds=1,
            # Ingest raises only for what a retry can cure; bisecting isolates what we did not
            # foresee, and after twelve hours the records themselves go to the failure bucket (an
            # SQS destination would keep their positions only, and the stream forgets in 24 h).
            bisect_batch_on_function_error=True,
            # Tries may be over in minutes, while what keeps ingest from its queue lasts for hours.
            maximum_retry_attempts=FOR_EVER,
            maximum_record_age_in_seconds=12 * 3600,
            destination_config=lambda_.CfnEventSourceMapping.DestinationConfigProperty(
                on_failure=lambda_.CfnEventSourceMapping.OnFailureProperty(
                    destination=self.failures.bucket_arn
                )
            ),
            filter_criteria=_filters(domain),
            metrics_config=lambda_.CfnEventSourceMapping.MetricsConfigProperty(
                metrics=["EventCount"]  # else nothing counts what is given up
            ),
        )
        mapping.node.add_dependency(access)  # Lambda checks the rights as it makes the mapping

    def _failure_bucket(self, config: Config) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Failures",
            enforce_ssl=True,
            **encryption(self._keys),
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            removal_policy=removal(config),
            auto_delete_objects=empties_itself(config),
            lifecycle_rules=[
                s3.LifecycleRule(id="given-up", expiration=Duration.days(FAILURE_DAYS))
            ],
        )
        accept(bucket, "AwsSolutions-S1", NO_ACCESS_LOG)
        self._keys.cover(bucket.bucket_arn, self._keys.data)
        return bucket

    def _grant(self, function: lambda_.IFunction, stream: str) -> iam.Policy:
        """Lambda polls the stream and writes failures as the function."""
        objects = self.failures.arn_for_objects(LAMBDA_PREFIX)
        policy = iam.Policy(
            self,
            "Polling",
            statements=[
                iam.PolicyStatement(
                    actions=[
                        "dynamodb:DescribeStream",
                        "dynamodb:GetRecords",
                        "dynamodb:GetShardIterator",
                        "dynamodb:ListStreams",
                    ],
                    resources=[stream],
                ),
                iam.PolicyStatement(
                    actions=["s3:ListBucket"], resources=[self.failures.bucket_arn]
                ),
                iam.PolicyStatement(
                    actions=["s3:PutObject"],
                    resources=[objects],
                ),
                *self._keys.rights(["dynamodb:GetRecords"], [stream]),
                *self._keys.rights(["s3:PutObject"], [objects]),
            ],
        )
        assert function.role is not None  # noqa: S101 - functions.py gives each its own
        policy.attach_to_role(function.role)
        accept_objects(policy, self.failures, LAMBDA_PREFIX)
        return policy


def _filters(domain: Domain) -> lambda_.CfnEventSourceMapping.FilterCriteriaProperty:
    """The domain's patterns: what they let through, ingest judges; the rest wakes nobody."""
    mapping = lambda_.CfnEventSourceMapping
    return mapping.FilterCriteriaProperty(
        filters=[
            mapping.FilterProperty(pattern=json.dumps(pattern)) for pattern in domain.stream_filters
        ]
    )
