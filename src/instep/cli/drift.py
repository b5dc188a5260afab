"""The table and the heads, read whole and compared by the oracle: `verify`'s and `wait`'s proof.

The order of the reads matters: the table first, then the heads. A head that agrees then holds
everything that had been written before the table was read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from instep.aws.scan import scan_of
from instep.aws.spooled import SpooledItems
from instep.cli.session import Session
from instep.cli.snapshots import carried_by, opened
from instep.clock import Clock, utc_now
from instep.disk import on_disk
from instep.domain import Difference, Domain
from instep.errors import SnapshotCorrupt, SnapshotUnsupported
from instep.snapshot.copy.inventory import find_head
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.manifest import Manifest

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = Mapping[str, Any]
Progress = Callable[[str], None]
Unreadable: TypeAlias = SnapshotCorrupt | SnapshotUnsupported
"""A head that is damaged or lost, or of a release or setting that this one cannot read."""

UNFINISHED: Final = frozenset({"PENDING", "PROCESSING"})


@dataclass(frozen=True)
class Checked:
    """What of a head was fetched and held against its hashes: packs, and their bytes in S3."""

    packs: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Reading:
    """One whole reading: how many embeddings were compared, and all that was found.

    Every page of the heads was checked; of a collection in `unreadable` nothing was compared. `at`
    is when it was over: until then an expiry may have passed. `states` are those of what the table
    itself says is on its way; `unembedded` is what might have an embedding and has none.
    """

    at: datetime
    versions: Mapping[str, str | None]
    compared: Mapping[str, int]
    differences: Sequence[Difference]
    states: Mapping[tuple[str, str], str]
    checked: Mapping[str, Checked]
    unreadable: Mapping[str, Unreadable]
    unembedded: Mapping[str, Sequence[str]]

    @property
    def in_step(self) -> bool:
        """Whether every head is whole and says what the table says."""
        return not self.differences and not self.unreadable


def read_everything(
    session: Session,
    collections: Sequence[str],
    progress: Progress = lambda _: None,
    clock: Clock = utc_now,
) -> Reading:
    """Read the whole table and the head of each collection, and compare.

    Costs a Scan of the table and a verified copy of each head: all its packs are fetched, and every
    page is held against its hash. StorageUnavailable when S3 or the table does not answer.
    """
    with on_disk("compare the table"), SpooledItems() as items:
        scan(
            session.dynamodb,
            session.deployment.dynamodb_table_name,
            session.domain,
            items,
            progress,
        )
        return _compared(session, collections, items, progress, clock)


def _compared(
    session: Session,
    collections: Sequence[str],
    items: Sequence[Item],
    progress: Progress,
    clock: Clock,
) -> Reading:
    """Read the heads, and hold them against the items."""
    domain = session.domain
    versions: dict[str, str | None] = dict.fromkeys(collections)
    carried: dict[str, dict[str, Mapping[str, Any]]] = {}
    checked: dict[str, Checked] = {}
    unreadable: dict[str, Unreadable] = {}
    for collection in collections:
        progress(f"reading the head of {collection}")
        store = SnapshotStore(session.objects, collection)
        carried[collection], checked[collection] = {}, Checked()
        try:
            head = find_head(store)
            if head is not None:
                versions[collection] = head.version
                with opened(session, collection, head.version) as snapshot:
                    carried[collection] = carried_by(snapshot.collection)
                checked[collection] = _checked(store.manifest(head.version))
        except (SnapshotCorrupt, SnapshotUnsupported) as error:
            unreadable[collection] = error
    progress("working out what every embedding should carry")
    at = clock()
    compared = {collection: len(embeddings) for collection, embeddings in carried.items()}
    states = {
        key: state for key, state in domain.unfinished(items, at).items() if key[1] in carried
    }
    differences = domain.judge(items, carried, at)
    whole = {name: each for name, each in carried.items() if name not in unreadable}
    unembedded = domain.unembedded(items, whole, at)
    return Reading(at, versions, compared, differences, states, checked, unreadable, unembedded)


def _checked(manifest: Manifest) -> Checked:
    packs = manifest.pack_refs().values()
    return Checked(len(packs), sum(pack.bytes for pack in packs))


def scan(
    dynamodb: "DynamoDBClient",
    table: str,
    domain: Domain,
    items: SpooledItems,
    progress: Progress = lambda _: None,
) -> None:
    """Append every item of interest to `items`, with the attributes the comparison reads."""
    request = {**scan_of(table, domain), "ConsistentRead": True}
    for page in dynamodb.get_paginator("scan").paginate(**request):
        items.extend(page["Items"])
        progress(f"reading the table: {len(items):,} items")
