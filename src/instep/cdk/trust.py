"""Which service may take a role: only on behalf of this account, and of what is named.

Otherwise a stranger's rule or schedule could be given our role's ARN, and the service would act for
it (the "confused deputy"). Lambda is not among them: it documents neither key for the roles of
functions, and takes a role only of the account that the function is in.
"""

from typing import Final

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

_SOURCES: Final = {
    "events": "rule/{stack}-*",  # the name that CloudFormation makes of the stack's
    "scheduler": "schedule-group/default",  # no schedule can be named here, says its user guide
    "states": "stateMachine:*",
}


def service(scope: Construct, name: str) -> iam.ServicePrincipal:
    """Return the principal of `events`, `scheduler` or `states`, for things of this stack."""
    stack = Stack.of(scope)
    source = _SOURCES[name].format(stack=stack.stack_name)
    arn = f"arn:{stack.partition}:{name}:{stack.region}:{stack.account}:{source}"
    return iam.ServicePrincipal(
        f"{name}.amazonaws.com",
        conditions={
            "StringEquals": {"aws:SourceAccount": stack.account},
            "ArnLike": {"aws:SourceArn": arn},
        },
    )
