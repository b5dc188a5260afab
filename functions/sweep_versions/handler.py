"""SweepVersions: once a day, delete the versions and packs of a collection that retention lets go.

Idempotent, and beside everyone else: no lease is taken, HEAD is never written.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from instep.errors import InputRejected
from instep.lambda_ import parts, settings
from instep.lambda_.telemetry import Payload, failing_as, logger, metrics, observed
from instep.snapshot.acts.sweep import sweep
from instep.snapshot.copy.store import SnapshotStore
from receipt_dynamo_stream import ChromaDBCollection

objects = parts.objects()


@observed("sweep_versions")
def handle(event: Payload, context: LambdaContext) -> Payload:
    """Return what was freed; a named error goes up, and the next start goes on."""
    store = SnapshotStore(objects, _collection(event))
    with failing_as("Sweep failed", "CompactionSweepError"):
        swept = sweep(store, settings.retention())
    freed = {"versions": len(swept.versions), "packs": swept.packs, "bytes": swept.bytes}
    metrics.count("CompactionVersionsSwept", freed["versions"])
    metrics.count("CompactionPacksSwept", freed["packs"])
    metrics.count("CompactionBytesSwept", freed["bytes"])
    logger.info("Versions swept", extra={**freed, "versions_kept": swept.versions_kept})
    return {"collection": swept.collection, **freed}


def _collection(event: Payload) -> str:
    try:
        return ChromaDBCollection(event.get("collection")).value
    except ValueError as error:
        known = ", ".join(each.value for each in ChromaDBCollection)
        raise InputRejected(
            f'{event!r} names no collection: give {{"collection": NAME}}, one of {known}'
        ) from error
