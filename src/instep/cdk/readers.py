"""What a reader of snapshots may do, as a policy to attach to anybody's role: `open_snapshot` works
with it, and nothing else does.
"""

from typing import Final

from aws_cdk import aws_iam as iam
from constructs import Construct

from instep.cdk.keys import Keys
from instep.cdk.nag import accept_objects
from instep.cdk.storage import HEADS, PACKS, TAGS, VERSIONS, Storage

READ: Final = [HEADS, VERSIONS, PACKS, TAGS]


class Readers(Construct):
    """HEAD, versions and packs of all collections, and the names of what lies beside them: neither
    batches nor deltas can be read.
    """

    def __init__(self, scope: Construct, id_: str, *, storage: Storage, keys: Keys) -> None:
        super().__init__(scope, id_)
        bucket = storage.bucket
        objects = [bucket.arn_for_objects(pattern) for pattern in READ]
        self.policy = iam.ManagedPolicy(
            self,
            "Policy",
            description="Instep: read the snapshots of this stack's collections",
            statements=[
                iam.PolicyStatement(actions=["s3:GetObject"], resources=objects),
                # Without it S3 answers 403, not 404, for a HEAD that is not there yet; and so it
                # does when the right is bound to a prefix, which that request does not name.
                iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket.bucket_arn]),
                *keys.rights(["s3:GetObject"], objects),
            ],
        )
        for pattern in READ:
            accept_objects(self.policy, bucket, pattern)
