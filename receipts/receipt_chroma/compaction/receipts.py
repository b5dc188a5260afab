"""Current items of what was touched: strongly consistent, in parallel, bounded by what was touched.

The rule is design.md's Convergence. Items are read by key, and the words of a receipt by range
where that reads less (`words`); never a receipt's whole partition.
"""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from instep.aws.table import Range, TableReader
from instep.clock import Clock, utc_now
from receipt_chroma.compaction.attributes import TTL_ATTRIBUTE, Item, is_alive
from receipt_chroma.compaction.identity import EmbeddingId, ItemKey, ReceiptId
from receipt_chroma.compaction.words import Words, read_words

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEY: Final = ("PK", "SK", TTL_ATTRIBUTE)
_MERCHANT: Final = (
    *_KEY,
    "place_id",
    "merchant_name",
    "canonical_merchant_name",
    "merchant_category",
    "address",
    "formatted_address",
    "phone_number",
)
_RUN: Final = (
    *_KEY,
    *(
        f"{collection}_{name}"
        for collection in ("lines", "words")
        for name in ("state", "delta_prefix", "announced_at", "merged_vectors")
    ),
)


class Merchant(NamedTuple):
    """The two items that may name a receipt's merchant."""

    metadata: Item | None
    place: Item | None


class ReceiptTable:
    """Reads the entity table; what that cost is in `reader`.

    An item past its time to live is none. A throttle or outage is StorageUnavailable.
    """

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock = utc_now) -> None:
        self.reader = TableReader(client, table)
        self._clock = clock

    def existing(self, keys: Iterable[ItemKey]) -> set[ItemKey]:
        """Return those keys that have an item."""
        return set(self._items(keys, _KEY))

    def words(self, checked: Collection[EmbeddingId], labelled: Collection[EmbeddingId]) -> Words:
        """Return which of the words `checked` exist, and the label items of those `labelled`."""
        return read_words(self.reader, checked, labelled, self._clock())

    def merchants(self, receipts: Iterable[ReceiptId]) -> dict[ReceiptId, Merchant]:
        """Return what may name the merchant of each receipt."""
        wanted = list(receipts)
        keys = [one.key(suffix) for one in wanted for suffix in ("#METADATA", "#PLACE")]
        items = self._items(keys, _MERCHANT)
        return {
            one: Merchant(items.get(one.key("#METADATA")), items.get(one.key("#PLACE")))
            for one in wanted
        }

    def runs(self, receipts: Iterable[ReceiptId]) -> dict[ReceiptId, list[Item]]:
        """Return the items of all runs of each receipt."""
        wanted = list(dict.fromkeys(receipts))
        return dict(zip(wanted, self.reader.side_by_side(self._runs_of, wanted), strict=True))

    def _runs_of(self, receipt: ReceiptId) -> list[Item]:
        now = self._clock()
        pk, first = receipt.key("#COMPACTION_RUN#")
        last = receipt.key("#COMPACTION_RUN$").sk  # the next sign: behind every run's id
        items = self.reader.all_of(Range(pk, first, last), _RUN)
        return [item for item in items if is_alive(item, now)]

    def _items(self, keys: Iterable[ItemKey], attributes: tuple[str, ...]) -> dict[ItemKey, Item]:
        now = self._clock()
        return {
            ItemKey(*key): item
            for key, item in self.reader.get(keys, attributes).items()
            if is_alive(item, now)
        }
