"""Every Retry policy of the workflow, named once; the errors are the engine's own class names and
those AWS documents for Lambda tasks (Step Functions developer guide, "Error handling").

CDK's default retrier is switched off everywhere: it lacks Lambda.TooManyRequestsException.
"""

from aws_cdk import Duration
from aws_cdk import aws_stepfunctions as sfn

from instep.errors import EmbedderUnavailable, LockBusy, StorageUnavailable

# A call that Lambda did not take, or whose answer it lost: what its API says of Invoke, less what
# only another deployment cures. No States.TaskFailed behind them: it stands for every error of a
# function too, and would repeat three times what our own never-retried errors say, and every bug.
LAMBDA_REFUSED = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.TooManyRequestsException",
    "Lambda.ResourceConflictException",  # it is being updated
    "Lambda.ResourceNotReadyException",
    # In a VPC, which the shared cache needs.
    "Lambda.EC2ThrottledException",
    "Lambda.EC2UnexpectedException",
    "Lambda.ENILimitReachedException",
    "Lambda.ENINotReadyException",
    "Lambda.SubnetIPAddressLimitReachedException",
    # Of a function with the shared cache that was not started; once started it can do without.
    "Lambda.EFSMountConnectivityException",
    "Lambda.EFSMountTimeoutException",
    "Lambda.EFSIOException",
]
PROCESS_DIED = ["Lambda.Unknown", "Sandbox.Timedout", "Runtime.ExitError", "States.Timeout"]
EVERYTHING_ELSE = ["States.ALL"]


def retry_transient(state: sfn.TaskStateBase) -> None:
    """Try again what may well pass: storage, the platform, a process that died.

    Every state is idempotent, so a try whose answer was lost does no harm. Each kind counts its
    own attempts.
    """
    retry_refused(state)
    retry_dead(state)


def retry_dead(state: sfn.TaskStateBase) -> None:
    """Try again after the process died: twice in a row is rarely bad luck, and each such try may
    have cost the whole timeout.
    """
    state.add_retry(
        errors=PROCESS_DIED,
        interval=Duration.seconds(1),
        max_attempts=2,
        backoff_rate=2,
        jitter_strategy=sfn.JitterType.FULL,
    )


def retry_refused(state: sfn.TaskStateBase) -> None:
    """Try again what storage or the platform refused, and costs no more than the asking."""
    state.add_retry(
        errors=[StorageUnavailable.__name__],
        interval=Duration.seconds(2),
        max_attempts=5,
        backoff_rate=2,
        max_delay=Duration.seconds(30),
        jitter_strategy=sfn.JitterType.FULL,
    )
    state.add_retry(
        errors=LAMBDA_REFUSED,
        interval=Duration.seconds(1),
        max_attempts=6,
        backoff_rate=2,
        max_delay=Duration.seconds(30),
        jitter_strategy=sfn.JitterType.FULL,
    )


def retry_embedder(state: sfn.TaskStateBase) -> None:
    """Try again after a service that makes vectors throttled: what came before is parked, and is
    not asked for again.
    """
    state.add_retry(
        errors=[EmbedderUnavailable.__name__],
        interval=Duration.seconds(3),
        max_attempts=5,
        backoff_rate=2,
        max_delay=Duration.seconds(45),
        jitter_strategy=sfn.JitterType.FULL,
    )


def retry_busy(state: sfn.TaskStateBase) -> None:
    """Wait for another execution's lease, briefly: the catch defers, and the runner comes back,
    while a collection that is free need not wait for one that is not.
    """
    state.add_retry(
        errors=[LockBusy.__name__],
        interval=Duration.seconds(1),
        max_attempts=2,
        backoff_rate=2,
        jitter_strategy=sfn.JitterType.FULL,
    )
