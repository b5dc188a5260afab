"""AcquireLock: the collection's lease for this execution, or LockBusy; waiting is the workflow's.

Idempotent: the execution is the owner, so a second try after a lost answer gets a lease too.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from entrypoint import parts
from entrypoint.payloads import LockRequest
from entrypoint.telemetry import Payload, logger, metrics, observed
from instep.errors import LockBusy

leases = parts.leases()


@observed("acquire_lock")
def handle(event: Payload, context: LambdaContext) -> Payload:
    """Return the lease; LockBusy goes up: the workflow waits, then defers."""
    request = LockRequest.from_payload(event)
    try:
        lease = leases.acquire(request.collection, request.execution)
    except LockBusy:
        metrics.count("CompactionLockAcquisitionFailed")
        raise
    logger.info(
        "lease acquired",
        extra={"fencing_token": lease.fencing_token, "taken_from": lease.taken_from},
    )
    return lease.to_payload()
