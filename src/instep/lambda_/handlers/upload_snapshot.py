"""UploadSnapshot: publish what was staged, lock phase 2; readers see it from here on.

Idempotent: a HEAD that names the staged version already means that an earlier try has won.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from instep.errors import FoldTooLarge, LeaseLost
from instep.lambda_ import parts, settings
from instep.lambda_.payloads import UploadRequest
from instep.lambda_.telemetry import Handler, Payload, failing_as, logger, metrics, observed
from instep.snapshot.acts.fold_size import FoldSize
from instep.snapshot.acts.folding import FoldDue
from instep.snapshot.acts.publish import Published, Staged, publish
from instep.snapshot.copy.store import SnapshotStore


def handler() -> Handler:
    """Return the function's entry point."""
    leases, objects = parts.leases(), parts.objects()

    @observed("upload_snapshot")
    def handle(event: Payload, context: LambdaContext) -> Payload:
        """Return the version that HEAD names now, and when a fold is due.

        LeaseLost and SnapshotConflict go up.
        """
        request = UploadRequest.from_payload(event)
        staged = Staged.from_payload(request.staged)
        store = SnapshotStore(objects, request.collection, beside=staged.beside)
        with failing_as("Snapshot upload failed", "CompactionSnapshotUploadError"):
            try:
                published = publish(store, staged, request.lease, leases)
            except LeaseLost:
                logger.warning("Failed to acquire lock for snapshot upload")
                metrics.count("CompactionLockValidationFailed")
                raise
        metrics.count("CompactionVersionsPublished")
        metrics.count("CompactionBytesPublished", staged.bytes)
        report(request.collection, published)
        fold = due(store, published)
        return {"version": published.version, "held_ms": published.held_ms, "fold": fold.value}

    return handle


def due(store: SnapshotStore, published: Published) -> FoldDue:
    """Say when to fold, by the room that the fold's function has: no round tries what would die in
    every round, and nothing is put off until it would.
    """
    if published.fold is FoldDue.NO:
        return FoldDue.NO
    room, manifest = settings.fold_room(), store.manifest(published.version)
    try:
        room.check(store.collection, FoldSize.of(manifest))
    except FoldTooLarge as error:
        logger.warning(str(error))
        metrics.count("CompactionFoldTooLarge")
        return FoldDue.NO
    return published.fold if room.holds(FoldSize.of(manifest, times=2)) else FoldDue.NOW


def report(collection: str, published: Published) -> None:
    """Log what is visible now, and for how long the table's changes in it had waited.

    A round that found the snapshot in step already comes not here: what it would have brought was
    visible before, and there is no telling since when.
    """
    lag = published.lag
    logger.info(
        "Snapshot uploaded",
        extra={
            "version": published.version,
            "held_ms": published.held_ms,
            "lag": lag.to_payload() if lag else None,
        },
    )
    if lag is not None:
        metrics.gauge("SnapshotLagP50Ms", lag.p50_ms, collection)
        metrics.gauge("SnapshotLagP95Ms", lag.p95_ms, collection)
        metrics.gauge("SnapshotLagMaxMs", lag.max_ms, collection)
