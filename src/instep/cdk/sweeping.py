"""The daily sweep: a function that may delete versions and packs and write nothing, and its clock.

How much it keeps is the config's. A schedule a collection, so that one which cannot be swept does
not keep the other from it; a lost start needs no DLQ, the next day's does its work.
"""

import json
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from instep.cdk.function import Platform, WorkflowFunction
from instep.cdk.functions import IO_BOUND
from instep.cdk.nag import accept_objects
from instep.cdk.storage import HEADS, PACKS, TAGS, VERSIONS, Storage
from instep.cdk.trust import service

EVERY = "rate(1 day)"
READ: Final = [HEADS, VERSIONS, TAGS]
SWEPT: Final = [VERSIONS, PACKS]


class Sweeping(Construct):
    """The function, its rights on named prefixes, and who starts it."""

    def __init__(self, scope: Construct, id_: str, *, platform: Platform, storage: Storage) -> None:
        super().__init__(scope, id_)
        made = WorkflowFunction(
            self,
            "SweepVersions",
            name="sweep_versions",
            platform=platform,
            timeout=Duration.minutes(15),  # it reads every version file that is kept
            memory=IO_BOUND,
            environment={
                "CHROMADB_BUCKET": storage.bucket.bucket_name,
                "KEEP_VERSIONS": str(platform.config.keep_versions),
                "KEEP_DAYS": str(platform.config.keep_days),
            },
        )
        self.function = made
        self._collections = list(platform.domain.collections)
        self._allow(made, storage)
        self._schedule(self._starter())

    def _allow(self, made: WorkflowFunction, storage: Storage) -> None:
        bucket = storage.bucket
        made.allow(["s3:ListBucket"], [bucket.bucket_arn])
        made.allow(["s3:GetObject"], [bucket.arn_for_objects(pattern) for pattern in READ])
        made.allow(["s3:DeleteObject"], [bucket.arn_for_objects(pattern) for pattern in SWEPT])
        for pattern in sorted({*READ, *SWEPT}):
            accept_objects(made.role, bucket, pattern)

    def _starter(self) -> iam.Role:
        """May start this function, and not its versions, which CDK's own target would add."""
        role = iam.Role(self, "Starter", assumed_by=service(self, "scheduler"))
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["lambda:InvokeFunction"], resources=[self.function.live.function_arn]
            )
        )
        return role

    def _schedule(self, starter: iam.Role) -> None:
        for name in self._collections:
            scheduler.CfnSchedule(
                self,
                f"Daily{name.title()}",
                description=f"Old versions of {name} go once a day.",
                schedule_expression=EVERY,
                flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
                target=scheduler.CfnSchedule.TargetProperty(
                    arn=self.function.live.function_arn,
                    role_arn=starter.role_arn,
                    input=json.dumps({"collection": name}),
                ),
            )
