"""AcquireLock: the collection's lease for this execution, or LockBusy; waiting is the workflow's.

Idempotent: a second try of the same request, after a lost answer, gets the lease of the first.
"""

from datetime import datetime

from aws_lambda_powertools.utilities.typing import LambdaContext

from instep.clock import utc_now
from instep.errors import LockBusy
from instep.lambda_ import parts
from instep.lambda_.payloads import LockRequest
from instep.lambda_.telemetry import Handler, Payload, logger, metrics, observed


def handler() -> Handler:
    """Return the function's entry point."""
    leases = parts.leases()

    @observed("acquire_lock")
    def handle(event: Payload, context: LambdaContext) -> Payload:
        """Return the lease; LockBusy goes up: the workflow waits, then defers."""
        request = LockRequest.from_payload(event)
        try:
            lease = leases.acquire(request.collection, request.execution, request.request)
        except LockBusy:
            metrics.count("CompactionLockAcquisitionFailed")
            raise
        waited = waited_ms(event.get("waiting_since"))
        metrics.count("CompactionLockWaitTime", waited)
        logger.info(
            "lease acquired",
            extra={
                "fencing_token": lease.fencing_token,
                "taken_from": lease.taken_from,
                "waited_ms": waited,
            },
        )
        return lease.to_payload()

    return handle


def waited_ms(since: str | None) -> int:
    """Return for how long the state has waited, its retries included; two clocks: never below 0.

    None: an execution begun under an older definition does not say.
    """
    if since is None:
        return 0
    waited = utc_now() - datetime.fromisoformat(since)
    return max(0, round(waited.total_seconds() * 1000))
