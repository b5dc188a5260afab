"""The table and the heads, read whole and compared by the oracle: `verify`'s and `wait`'s proof.

The order of the reads matters: the table first, then the heads. A head that agrees then holds
everything that had been written before the table was read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from instep.cli.session import Session
from instep.cli.snapshots import metadata_of
from instep.clock import Clock, utc_now
from instep.errors import SnapshotCorrupt
from instep.snapshot.copy.store import SnapshotStore
from instep.snapshot.format.manifest import Manifest
from receipt_chroma.compaction.attributes import is_alive
from receipt_domain.oracle import Difference, judge
from receipt_dynamo_stream.keys import parse_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = Mapping[str, Any]
Progress = Callable[[str], None]

# What the oracle and `Reading.states` read; geometry, letters and the rest stay in the table.
_READ: Final = (
    "PK",
    "SK",
    "TimeToLive",
    "place_id",
    "merchant_name",
    "canonical_merchant_name",
    "merchant_category",
    "address",
    "formatted_address",
    "phone_number",
    "validation_status",
    "timestamp_added",
    "label_proposed_by",
    "lines_state",
    "words_state",
)
UNFINISHED: Final = frozenset({"PENDING", "PROCESSING"})


@dataclass(frozen=True)
class Checked:
    """What of a head was fetched and held against its hashes: packs, and their bytes in S3."""

    packs: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Reading:
    """One whole reading: how many embeddings were compared, and all that was found.

    Every page of the heads was checked; of a collection in `damaged` nothing was compared. `at` is
    when it was over: until then an expiry may have passed.
    """

    at: datetime
    items: Sequence[Item]
    versions: Mapping[str, str | None]
    compared: Mapping[str, int]
    differences: Sequence[Difference]
    checked: Mapping[str, Checked]
    damaged: Mapping[str, SnapshotCorrupt]

    @property
    def in_step(self) -> bool:
        """Whether every head is whole and says what the table says."""
        return not self.differences and not self.damaged

    def states(self) -> dict[tuple[str, str], str]:
        """Map (COMPACTION_RUN key, collection) to the state of that run there.

        A run past its time to live is passed over by whoever would merge it: nobody waits for it.
        """
        return {
            (f"{item['PK']['S']}#{item['SK']['S']}", collection): item[f"{collection}_state"]["S"]
            for item in self.items
            if _is_run(item) and is_alive(item, self.at)
            for collection in self.versions
            if "S" in item.get(f"{collection}_state", {})
        }


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
    items = scan(session.dynamodb, session.deployment.dynamodb_table_name, progress)
    versions: dict[str, str | None] = dict.fromkeys(collections)
    carried: dict[str, dict[str, Mapping[str, Any]]] = {}
    checked: dict[str, Checked] = {}
    damaged: dict[str, SnapshotCorrupt] = {}
    for collection in collections:
        progress(f"reading the head of {collection}")
        store = SnapshotStore(session.objects, collection)
        carried[collection], checked[collection] = {}, Checked()
        try:
            head = store.head()
            if head is not None:
                versions[collection] = head.version
                carried[collection] = metadata_of(session, collection, head.version)
                checked[collection] = _checked(store.manifest(head.version))
        except SnapshotCorrupt as error:
            damaged[collection] = error
    progress("working out what every embedding should carry")
    at = clock()
    compared = {collection: len(embeddings) for collection, embeddings in carried.items()}
    return Reading(at, items, versions, compared, judge(items, carried, at), checked, damaged)


def _is_run(item: Item) -> bool:
    key = parse_key(item["PK"]["S"], item["SK"]["S"])
    return key is not None and key.entity_type == "COMPACTION_RUN"


def _checked(manifest: Manifest) -> Checked:
    packs = manifest.pack_refs().values()
    return Checked(len(packs), sum(pack.bytes for pack in packs))


def scan(dynamodb: "DynamoDBClient", table: str, progress: Progress = lambda _: None) -> list[Item]:
    """Return every item under IMAGE# keys, with the attributes the comparison reads."""
    names = {f"#{index}": name for index, name in enumerate(_READ)}
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table,
        ConsistentRead=True,
        FilterExpression="begins_with(#0, :image)",
        ProjectionExpression=", ".join(names),
        ExpressionAttributeNames=names,
        ExpressionAttributeValues={":image": {"S": "IMAGE#"}},
    )
    items: list[Item] = []
    for page in pages:
        items.extend(page["Items"])
        progress(f"reading the table: {len(items):,} items")
    return items
