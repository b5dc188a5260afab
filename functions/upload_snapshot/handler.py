"""UploadSnapshot: publish what was staged, lock phase 2; readers see it from here on.

Idempotent: a HEAD that names the staged version already means that an earlier try has won.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from entrypoint import parts
from entrypoint.payloads import UploadRequest
from entrypoint.telemetry import Payload, failing_as, logger, metrics, observed
from instep.errors import LeaseLost
from instep.snapshot.publish import Staged, publish
from instep.snapshot.store import SnapshotStore

leases = parts.leases()
objects = parts.objects()


@observed("upload_snapshot")
def handle(event: Payload, context: LambdaContext) -> Payload:
    """Return the version that HEAD names now, and whether a fold is due.

    LeaseLost and SnapshotConflict go up.
    """
    request = UploadRequest.from_payload(event)
    store = SnapshotStore(objects, request.collection)
    staged = Staged.from_payload(request.staged)
    with failing_as("Snapshot upload failed", "CompactionSnapshotUploadError"):
        try:
            published = publish(store, staged, request.lease, leases)
        except LeaseLost:
            logger.warning("Failed to acquire lock for snapshot upload")
            metrics.count("CompactionLockValidationFailed")
            raise
    logger.info(
        "Snapshot uploaded", extra={"version": published.version, "held_ms": published.held_ms}
    )
    return {"version": published.version, "held_ms": published.held_ms, "fold": published.fold}
