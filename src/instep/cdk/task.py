"""How a state calls its function: the payload as it is, errors by their own names, a deadline."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from instep.cdk.function import WorkflowFunction

QUEUEING = Duration.seconds(30)  # a cold start, and Lambda's own queueing, beyond the timeout


def invoke(
    scope: Construct,
    name: str,
    *,
    function: WorkflowFunction,
    payload: Mapping[str, Any],
    result_path: str | None,
    comment: str,
    within: Duration | None = None,
) -> tasks.LambdaInvoke:
    """Return a Task named `name`; None as `result_path` replaces the state by the result.

    Its deadline is `within`, or else the function's own timeout and a little more, which only
    ends what Lambda forgot.
    """
    deadline = within or function.timeout.plus(QUEUEING)
    return tasks.LambdaInvoke(
        scope,
        name,
        lambda_function=function.pinned,
        payload=sfn.TaskInput.from_object(dict(payload)),
        payload_response_only=True,
        retry_on_service_exceptions=False,
        task_timeout=sfn.Timeout.duration(deadline),
        result_path=result_path,
        comment=comment,
    )
