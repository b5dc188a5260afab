"""SweepVersions: once a day, delete the versions and packs of a collection that retention lets go.

Idempotent, and beside everyone else: no lease is taken, HEAD is never written.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from instep.domain import Domain
from instep.errors import InputRejected
from instep.lambda_ import parts, settings
from instep.lambda_.telemetry import Handler, Payload, failing_as, logger, metrics, observed
from instep.snapshot.acts.sweep import sweep
from instep.snapshot.copy.store import SnapshotStore


def handler(domain: Domain) -> Handler:
    """Return the function's entry point."""
    objects = parts.objects()

    @observed("sweep_versions")
    def handle(event: Payload, context: LambdaContext) -> Payload:
        """Return what was freed; a named error goes up, and the next start goes on."""
        collection = event.get("collection")
        if not isinstance(collection, str) or collection not in domain.collections:
            raise InputRejected(
                f'{event!r} names no collection: give {{"collection": NAME}}, one of '
                f"{', '.join(domain.collections)}"
            )
        with failing_as("Sweep failed", "CompactionSweepError"):
            swept = sweep(SnapshotStore(objects, collection), settings.retention())
        freed = {"versions": len(swept.versions), "packs": swept.packs, "bytes": swept.bytes}
        metrics.count("CompactionVersionsSwept", freed["versions"])
        metrics.count("CompactionPacksSwept", freed["packs"])
        metrics.count("CompactionBytesSwept", freed["bytes"])
        logger.info("Versions swept", extra={**freed, "versions_kept": swept.versions_kept})
        return {"collection": swept.collection, **freed}

    return handle
