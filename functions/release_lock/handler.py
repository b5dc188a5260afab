"""ReleaseLock: give the lease back, from every path, also after an acquire that died half-way.

Idempotent: releasing what is not (or no longer) ours changes nothing and is no error.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from entrypoint import parts
from entrypoint.payloads import LockRequest
from entrypoint.telemetry import Payload, logger, metrics, observed
from instep.clock import utc_now

leases = parts.leases()


@observed("release_lock")
def handle(event: Payload, context: LambdaContext) -> Payload:
    """Return whether there was a lease of this execution to release."""
    request = LockRequest.from_payload(event)
    released = leases.release(request.collection, request.execution)
    if released is not None and released.acquired_at is not None:
        held = round((utc_now() - released.acquired_at).total_seconds() * 1000)
        metrics.count("CompactionLockDuration", held)
        logger.info("lease released", extra={"held_ms": held})
    return {"released": released is not None}
