"""Every way out of a state that the tests on moto's interpreter take (tests/workflow), by name:
which tasks there are, which errors each of them tries again or catches, where the choices lead.
"""

from dataclasses import dataclass

from instep.errors import (
    EmbedderUnavailable,
    FormatUnknown,
    LeaseLost,
    LockBusy,
    SnapshotConflict,
    StorageUnavailable,
)

OF_A_BATCH = ["AcquireLock", "ApplyUpdates", "UploadSnapshot", "ReleaseLock", "SettleBatch"]
OF_A_FOLD = ["LockToFold", "FoldSnapshot", "ReleaseLockAfterFold"]
FUNCTIONS = [
    *(("round", state) for state in ["ParseBatch", *OF_A_BATCH]),
    *(("runner", state) for state in ["ParseBatch", *OF_A_BATCH, *OF_A_FOLD, "SyncTable"]),
]
TRIED_ONCE = {("runner", "FoldSnapshot"), ("round", "ApplyUpdates")}  # after a death
NOT_CAUGHT = {"ParseBatch", "Round", "SyncTable"}
OF_LAMBDA = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.TooManyRequestsException",
    "Lambda.ResourceConflictException",
    "Lambda.ResourceNotReadyException",
    "Lambda.EC2ThrottledException",
    "Lambda.EC2UnexpectedException",
    "Lambda.ENILimitReachedException",
    "Lambda.ENINotReadyException",
    "Lambda.SubnetIPAddressLimitReachedException",
    "Lambda.EFSMountConnectivityException",
    "Lambda.EFSMountTimeoutException",
    "Lambda.EFSIOException",
]
REFUSED = [StorageUnavailable.__name__, *OF_LAMBDA]
DEATHS = ["Lambda.Unknown", "Sandbox.Timedout", "Runtime.ExitError", "States.Timeout"]
ONE_OF_A_KIND = {REFUSED[0], "Lambda.TooManyRequestsException", "Runtime.ExitError"}
RUNNER, ROUND = "runner", "round"


def retried(machine: str, state: str) -> list[str]:
    return REFUSED if (machine, state) in TRIED_ONCE else [*REFUSED, *DEATHS]


@dataclass(frozen=True)
class Way:
    """An edge, told by machine, state, kind and a word of its label."""

    machine: str
    state: str
    kind: str
    word: str


def of_a_batch(machine: str) -> set[Way]:
    return {
        Way(machine, "AcquireLock", "Catch", LockBusy.__name__),
        Way(machine, "AcquireLock", "Catch", LeaseLost.__name__),
        Way(machine, "AcquireLock", "Retry", LockBusy.__name__),
        Way(machine, "ApplyUpdates", "Catch", LeaseLost.__name__),
        Way(machine, "ApplyUpdates", "Catch", FormatUnknown.__name__),
        Way(machine, "ApplyUpdates", "Retry", EmbedderUnavailable.__name__),
        Way(machine, "UploadSnapshot", "Catch", LeaseLost.__name__),
        Way(machine, "UploadSnapshot", "Catch", SnapshotConflict.__name__),
        Way(machine, "Attempts?", "Choice", "ApplyUpdates"),
        Way(machine, "Attempts?", "Choice", "Deferred"),
        Way(machine, "Changed?", "Choice", "UploadSnapshot"),
        Way(machine, "Changed?", "Choice", "Applied"),
    }


WAYS = {
    *(Way(*where, "Retry", error) for where in FUNCTIONS for error in retried(*where)),
    *(Way(*where, "Catch", "States.ALL") for where in FUNCTIONS if where[1] not in NOT_CAUGHT),
    *of_a_batch(ROUND),
    *of_a_batch(RUNNER),
    Way(ROUND, "Parsed?", "Choice", "EachCollection"),
    Way(ROUND, "Parsed?", "Choice", "ParseBatch"),
    Way(ROUND, "HasWork?", "Choice", "EachCollection"),
    Way(ROUND, "HasWork?", "Choice", "Looked"),
    Way(RUNNER, "Round", "Retry", "States.TaskFailed"),
    Way(RUNNER, "LockToFold", "Retry", LockBusy.__name__),
    Way(RUNNER, "Next?", "Choice", "Pause"),
    Way(RUNNER, "Next?", "Choice", "Round"),
    Way(RUNNER, "Next?", "Choice", "EachCollection"),
    Way(RUNNER, "Next?", "Choice", "EachFold"),
    Way(RUNNER, "Next?", "Choice", "EachSegment"),
    Way(RUNNER, "Next?", "Choice", "RunFailed"),
    Way(RUNNER, "Next?", "Choice", "Succeeded"),
    Way(RUNNER, "MorePieces?", "Choice", "SyncTable"),
    Way(RUNNER, "MorePieces?", "Choice", "WaitForRoom"),
    Way(RUNNER, "MorePieces?", "Choice", "SegmentSynced"),
    Way(RUNNER, "AfterFold?", "Choice", "Pause"),
    Way(RUNNER, "AfterFold?", "Choice", "RunFailed"),
    Way(RUNNER, "AfterFold?", "Choice", "Succeeded"),
}
