"""What cdk-nag reports and we argue against: each on the exact resource, with its reason."""

from aws_cdk import Acknowledgment, CfnElement, Stack, Validations
from aws_cdk import aws_s3 as s3
from constructs import IConstruct


def accept(construct: IConstruct, rule: str, reason: str) -> None:
    """Accept one finding of `rule` (`AwsSolutions-IAM5[Resource::*]`) on this construct."""
    Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))


def accept_objects(construct: IConstruct, bucket: s3.Bucket, pattern: str) -> None:
    """Accept a right on the keys of one bucket that match `pattern`."""
    element = bucket.node.default_child
    assert isinstance(element, CfnElement)  # noqa: S101 - every L2 bucket is made of one
    name = Stack.of(bucket).get_logical_id(element)
    accept(
        construct,
        f"AwsSolutions-IAM5[Resource::<{name}.Arn>/{pattern}]",
        "Keys hold what only a run knows (version, hash, execution); bucket and prefix are named.",
    )
