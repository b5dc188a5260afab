"""What cdk-nag reports and we argue against: each on the exact resource, with its reason."""

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def accept(construct: IConstruct, rule: str, reason: str) -> None:
    """Accept one finding of `rule` (`AwsSolutions-IAM5[Resource::*]`) on this construct."""
    Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))
