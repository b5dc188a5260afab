"""ApplyUpdates: write what the table says into a copy of the head, and stage what changed.

Idempotent: nothing it writes is visible before UploadSnapshot, and what it writes it derives from
the table's current truth. It loads chromadb, and never its index.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from aws_lambda_powertools.utilities.typing import LambdaContext

from instep.aws.objects import Objects
from instep.clock import utc_now
from instep.domain import Domain, Outcome
from instep.flow.heartbeat import Heartbeat
from instep.flow.parking import Entries, fetch_entries, park_result
from instep.lambda_ import parts, settings
from instep.lambda_.applying import Contents, applied, change_times, note, update, watermark
from instep.lambda_.deadline import Deadline
from instep.lambda_.payloads import ApplyAnswer, ApplyRequest
from instep.lambda_.shared_cache import shared_cache
from instep.lambda_.telemetry import Handler, Payload, failing_as, logger, metrics, observed
from instep.scratch import sweep_scratch
from instep.snapshot.acts.workspace import Workspace, open_workspace
from instep.snapshot.copy.store import SnapshotStore


def handler(domain: Domain) -> Handler:
    """Return the function's entry point."""
    leases, runner, cache = parts.leases(), parts.runner(), shared_cache()
    applying = parts.Applying.of(domain, logger, metrics)

    @observed("apply_updates")
    def handle(event: Payload, context: LambdaContext) -> Payload:
        """Return what was staged, or that nothing changed; LeaseLost, StorageUnavailable go up."""
        request = ApplyRequest.from_payload(event)
        until = Deadline.of(context).at
        renewing = [partial(runner.renew, request.execution)]
        with (
            failing_as("Collection processing failed", "CompactionCollectionProcessingError"),
            Heartbeat(
                leases, request.lease, settings.heartbeat_interval(), also=renewing
            ) as heartbeat,
        ):
            entries = fetch_entries(applying.objects, request.batch)
            logger.info("Processing collection", extra={"messages": len(entries)})
            sweep_scratch(settings.scratch_root())  # a killed call leaves the disk to this one
            store = SnapshotStore(applying.objects, request.collection, cache=cache)
            with workspace_of(store, domain) as workspace:
                outcome = update(applying, request, workspace, entries, until)
                heartbeat.check()
                return stage(request, workspace, applying.objects, entries, outcome).to_payload()

    return handle


def stage(
    request: ApplyRequest,
    workspace: Workspace,
    objects: Objects,
    entries: Entries,
    outcome: Outcome,
) -> ApplyAnswer:
    """Stage what was written, and park what it came to."""
    parent, now = workspace.parent, utc_now()
    parked = park_result(objects, request.batch, outcome.to_payload())
    if parent is None and not Contents(entries):
        return ApplyAnswer({}, False, request.attempt + 1, parked)  # no id there to look up
    staged = workspace.stage(
        request.execution,
        request.lease.fencing_token,
        watermark(applied(entries, outcome), parent.watermark if parent else None, now),
        note(outcome, len(entries)),
        change_times(applied(entries, outcome), now),
    )
    failed = len(outcome.failures)
    logger.info(
        "Updates applied",
        extra={"changed": staged.changed, "failed": failed, "bytes": staged.bytes},
    )
    return ApplyAnswer(staged.to_payload(), staged.changed, request.attempt + 1, parked)


@contextmanager
def workspace_of(store: SnapshotStore, domain: Domain) -> Iterator[Workspace]:
    """Open the writer's copy of the head in the collection's warm folder."""
    before = store.objects.traffic.down
    with ExitStack() as stack:
        with failing_as("Snapshot download failed", "CompactionSnapshotDownloadError"):
            workspace = stack.enter_context(
                open_workspace(
                    store,
                    settings.chroma_root() / store.collection,
                    spec=domain.collections[store.collection],
                )
            )
        version = workspace.parent.version if workspace.parent else None
        fetched = store.objects.traffic.down - before
        logger.info("Snapshot downloaded", extra={"version": version, "bytes": fetched})
        yield workspace
