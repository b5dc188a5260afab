"""FoldSnapshot: persist what writers left pending, so that no reader replays it; own publish.

Idempotent: a head that needs no fold (any more) is left alone. It moves HEAD itself, under the
lease of the execution: the batch is published already, so whatever goes wrong here has one answer,
which is that the fold comes due again.
"""

from functools import partial

from aws_lambda_powertools.utilities.typing import LambdaContext

from instep.domain import Domain
from instep.flow.heartbeat import Heartbeat
from instep.flow.lease import LeaseTable
from instep.lambda_ import parts, settings
from instep.lambda_.payloads import FoldAnswer, FoldRequest
from instep.lambda_.shared_cache import shared_cache
from instep.lambda_.telemetry import Handler, Payload, failing_as, logger, metrics, observed
from instep.snapshot.acts.anew import writing_to
from instep.snapshot.acts.fold import fold
from instep.snapshot.acts.fold_size import FoldSize
from instep.snapshot.acts.folding import needs_fold
from instep.snapshot.acts.publish import publish
from instep.snapshot.copy.store import SnapshotStore


def handler(domain: Domain) -> Handler:
    """Return the function's entry point."""
    leases, objects, runner, cache = (
        parts.leases(),
        parts.objects(),
        parts.runner(),
        shared_cache(),
    )

    @observed("fold_snapshot")
    def handle(event: Payload, context: LambdaContext) -> Payload:
        """Return the folded version; what goes wrong goes up, and the workflow goes on without."""
        request = FoldRequest.from_payload(event)
        renewing = [partial(runner.renew, request.execution)]
        with (
            failing_as("Fold failed", "CompactionFoldError"),
            Heartbeat(leases, request.lease, settings.heartbeat_interval(), also=renewing),
        ):
            store = writing_to(
                SnapshotStore(objects, request.collection, cache=cache),
                domain.collections[request.collection].identity,
            )
            return fold_head(store, request, leases).to_payload()

    return handle


def fold_head(store: SnapshotStore, request: FoldRequest, leases: LeaseTable) -> FoldAnswer:
    """Stage the head folded and publish that, if a fold is due.

    It is not after one whose answer was lost, nor of most collections when a runner has died.
    """
    head = store.head()
    manifest = store.manifest(head.version) if head else None
    if manifest is None or not needs_fold(manifest):
        logger.info("No fold is due")
        return FoldAnswer(None)
    # it may have grown since a publish found a fold due
    settings.fold_room().check(request.collection, FoldSize.of(manifest))
    root = settings.chroma_root() / request.collection
    token = request.lease.fencing_token
    staged = fold(store, root, request.execution, token, {"fold": True})
    published = publish(store, staged, request.lease, leases)
    metrics.count("CompactionFolded")
    metrics.count("CompactionBytesPublished", staged.bytes)
    logger.info(
        "Snapshot folded",
        extra={
            "version": published.version,
            "bytes": staged.bytes,
            "held_ms": published.held_ms,
        },
    )
    return FoldAnswer(published.version)
