"""What outlives every run: the snapshots' bucket, the lock table, the table that is mirrored."""

from typing import TypedDict

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from instep.cdk.config import Config
from instep.cdk.keys import Keys
from instep.cdk.nag import accept
from instep.domain import Domain
from instep.keys import KeyAttribute

BATCH_PREFIX = "batches/"
# Of any collection: a policy has room for some thousand characters, and a domain for more names.
HEADS, VERSIONS, PACKS, TAGS = "*/HEAD*", "*/versions/*", "*/packs/*", "*/tags/*"
BATCH_DAYS = 15  # one more than a message can wait in the inbox or the DLQ
OVERWRITTEN_DAYS = 30  # HEAD as it was, and what a sweep has deleted
NO_ACCESS_LOG = (
    "Every write is by a role of this stack and leaves a function's log line; server access logs "
    "would be a second bucket of billions of lines about range reads."
)


class BucketKey(TypedDict, total=False):
    """The part of a bucket's properties that says how it is encrypted."""

    encryption: s3.BucketEncryption
    encryption_key: kms.IKey
    bucket_key_enabled: bool


def removal(config: Config) -> RemovalPolicy:
    """Return what becomes of data when its stack goes.

    Kept data is kept but by a first deployment that fails: orphans would be all that is left of it.
    For the same reason no table has deletion protection, which such a rollback would fail at: the
    stack has termination protection, and what it keeps is out of its reach.
    """
    return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if config.retain_data else RemovalPolicy.DESTROY


def empties_itself(config: Config) -> bool:
    """Say whether a bucket is emptied as the stack goes, by CDK's own function: only where one is
    deleted at all. The local cloud has no Node to run that; `instep destroy` empties them there.
    """
    return not config.retain_data and not config.local_cloud


class Storage(Construct):
    """Bucket, lock table and entity table, kept when the stack goes if the config says so."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: Config,
        domain: Domain,
        keys: Keys,
        table: dynamodb.ITable | None = None,
    ) -> None:
        super().__init__(scope, id_)
        self._config, self._domain, self._keys = config, domain, keys
        self._removal = removal(config)
        self.bucket = self._snapshots()
        self.locks = self._lock_table()
        self.entities = table or self._existing_table() or self._entity_table()
        key = keys.table or self.entities.encryption_key
        keys.cover(self.entities.table_arn, key)
        if self.entities.table_stream_arn:
            keys.cover(self.entities.table_stream_arn, key)

    def _snapshots(self) -> s3.Bucket:
        """Versioned, so that an operator's slip on HEAD can be undone from S3 alone."""
        bucket = s3.Bucket(
            self,
            "Snapshots",
            versioned=True,
            enforce_ssl=True,
            **encryption(self._keys),
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            removal_policy=self._removal,
            auto_delete_objects=empties_itself(self._config),
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="parked-batches",
                    prefix=BATCH_PREFIX,
                    expiration=Duration.days(BATCH_DAYS),
                    noncurrent_version_expiration=Duration.days(1),
                ),
                s3.LifecycleRule(
                    id="overwritten",
                    noncurrent_version_expiration=Duration.days(OVERWRITTEN_DAYS),
                    expired_object_delete_marker=True,  # what a sweep leaves behind
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                ),
            ],
        )
        accept(bucket, "AwsSolutions-S1", NO_ACCESS_LOG)
        self._keys.cover(bucket.bucket_arn, self._keys.data)
        return bucket

    def _lock_table(self) -> dynamodb.Table:
        """One item a collection: lease and fencing token; and the runner's."""
        table = dynamodb.Table(
            self,
            "Locks",
            partition_key=dynamodb.Attribute(name="collection", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            removal_policy=self._removal,
        )
        accept(
            table,
            "AwsSolutions-DDB3",
            "A restored lease would be a wrong lease: a fencing token must only grow.",
        )
        return table

    def _existing_table(self) -> dynamodb.ITable | None:
        if self._config.entity_table_name is None:
            return None
        return dynamodb.Table.from_table_attributes(
            self,
            "Entities",
            table_name=self._config.entity_table_name,
            table_stream_arn=self._config.entity_table_stream_arn,
        )

    def _entity_table(self) -> dynamodb.ITable:
        """A table of the domain's keys, for whoever has none yet."""
        schema = self._domain.schema
        return dynamodb.Table(
            self,
            "Entities",
            partition_key=_key(schema.partition),
            sort_key=_key(schema.sort) if schema.sort else None,
            stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
            time_to_live_attribute=self._domain.time_to_live,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=self._removal,
        )


def encryption(keys: Keys) -> BucketKey:
    """Return a bucket's encryption; with a customer's key one call to KMS serves many objects."""
    if keys.data is None:
        return {"encryption": s3.BucketEncryption.S3_MANAGED}
    return {
        "encryption": s3.BucketEncryption.KMS,
        "encryption_key": keys.data,
        "bucket_key_enabled": True,
    }


def _key(attribute: KeyAttribute) -> dynamodb.Attribute:
    kinds = {"S": dynamodb.AttributeType.STRING, "N": dynamodb.AttributeType.NUMBER}
    return dynamodb.Attribute(name=attribute.name, type=kinds[attribute.kind])
