"""ReleaseLock: give the lease back, from every path, also after an acquire that died half-way.

Idempotent: releasing what is not (or no longer) ours changes nothing and is no error. A try that
comes late finds a later lease of this execution, and leaves it.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from instep.clock import utc_now
from instep.flow.lease import LeaseState, LeaseTable
from instep.lambda_ import parts
from instep.lambda_.payloads import ReleaseRequest
from instep.lambda_.telemetry import Handler, Payload, logger, metrics, observed


def handler() -> Handler:
    """Return the function's entry point."""
    leases = parts.leases()

    @observed("release_lock")
    def handle(event: Payload, context: LambdaContext) -> Payload:
        """Return whether there was a lease of this pass to release."""
        released = release(leases, ReleaseRequest.from_payload(event))
        if released is not None and released.acquired_at is not None:
            held = round((utc_now() - released.acquired_at).total_seconds() * 1000)
            metrics.count("CompactionLockDuration", held)
            logger.info("lease released", extra={"held_ms": held})
        return {"released": released is not None}

    return handle


def release(leases: LeaseTable, request: ReleaseRequest) -> LeaseState | None:
    """Give back the lease that is known, or whatever an acquire without an answer has taken."""
    if request.lease is not None:
        return leases.release(request.lease)
    asked = request.asked
    return leases.release_unanswered(asked.collection, asked.execution, asked.request)
