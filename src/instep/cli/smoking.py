"""A synthetic item's way through a deployed stack: into the table, seen by a reader, out again.

Which item makes an embedding only the domain knows, so it is a copy of one that does, under a key
of its own: the domain says what the copy should make, and a reader of snapshots that it is there.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from instep.domain import Difference, Domain, Item
from instep.errors import ConfigurationMissing, SnapshotCorrupt, StorageUnavailable, VersionRejected
from instep.keys import Key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from instep.aws.objects import Objects
    from instep.snapshot.copy.reader import Snapshot

LASTS: Final = timedelta(hours=1)
"""After so long the table's own time to live takes what a killed smoke test left, if it has one."""
_POLL_SECONDS: Final = 0.3
_LOOKED_AT: Final = 200
_NOT_YET: Final = (ConfigurationMissing, SnapshotCorrupt, StorageUnavailable, VersionRejected)


@dataclass(frozen=True)
class Lookalike:
    """A copy of an item under a key of its own, and what is missing once that is in the table."""

    of: Key
    key: Key
    item: Item
    missing: Sequence[Difference]

    @property
    def ids(self) -> dict[str, list[str]]:
        """The ids it should have, by collection."""
        ids: dict[str, list[str]] = defaultdict(list)
        for one in self.missing:
            ids[one.collection].append(one.id)
        return dict(ids)


def lookalike(domain: Domain, item: Item, token: str, now: datetime) -> Lookalike | None:
    """Return a copy that makes embeddings of its own; None where an item alone makes none, or where
    a copy would have the ids of its original.
    """
    original = domain.schema.of(item)
    taken = {(one.collection, one.id) for one in _missing(domain, item, now)}
    for key in _keys_like(domain, original, token):
        copy: dict[str, Any] = {**item, **domain.schema.written(key)}
        if domain.time_to_live is not None:
            copy[domain.time_to_live] = {"N": str(int((now + LASTS).timestamp()))}
        made = _missing(domain, copy, now)
        own = {(one.collection, one.id) for one in made}
        if domain.record_of(copy) is not None and own and not own & taken:
            return Lookalike(original, key, copy, made)
    return None


@contextmanager
def lying_in(
    dynamodb: "DynamoDBClient", table: str, copy: Lookalike, domain: Domain
) -> Iterator[None]:
    """Have the copy in the table for as long as the block lasts, whatever ends it."""
    try:
        dynamodb.put_item(TableName=table, Item=dict(copy.item))
        yield
    finally:  # of a put whose answer was lost, too
        dynamodb.delete_item(TableName=table, Key=domain.schema.written(copy.key))


@dataclass
class Readers:
    """A reader a collection, opened when there is a version and kept at the head.

    `trouble` is why the last look at a collection could not be had.
    """

    objects: "Objects"
    trouble: str = ""
    _open: dict[str, "Snapshot"] = field(default_factory=dict)

    def __enter__(self) -> "Readers":
        """Open nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what was opened."""
        with ExitStack() as all_of_them:
            for snapshot in self._open.values():
                all_of_them.callback(snapshot.close)

    def versions(self) -> Mapping[str, str]:
        """Return what each reader saw last."""
        return {name: snapshot.version for name, snapshot in self._open.items()}

    def see(self, ids: Mapping[str, Sequence[str]], *, gone: bool) -> bool:
        """Say whether every one of the ids is there, or gone, at the heads."""
        return all(
            (found := self._found(name, wanted)) is not None
            and len(found) == (0 if gone else len(wanted))
            for name, wanted in ids.items()
        )

    def _found(self, collection: str, ids: Sequence[str]) -> list[str] | None:
        """Return those of the ids that the head has; None while there is none to be had."""
        try:
            snapshot = self._at_head(collection)
            found = list(snapshot.collection.get(ids=list(ids), include=[])["ids"])
        except _NOT_YET as error:
            self.trouble = str(error)
            if collection in self._open:
                self._open.pop(collection).close()
            return None
        self.trouble = ""
        return found

    def _at_head(self, collection: str) -> "Snapshot":
        if collection in self._open:
            self._open[collection].refresh()
        else:
            import instep  # with the reader, and chromadb

            self._open[collection] = instep.open_snapshot(self.objects, collection)
        return self._open[collection]


def until(probe: Callable[[], bool], timeout: float) -> float | None:
    """Return the seconds until it was so; None when it was not so in `timeout` seconds."""
    pause, began = Event(), monotonic()
    while not probe():
        if monotonic() - began > timeout:
            return None
        pause.wait(_POLL_SECONDS)
    return monotonic() - began


def candidates(dynamodb: "DynamoDBClient", table: str, key: Item | None) -> Sequence[Item]:
    """Return the item of a key, or the first page of the table."""
    if key is None:
        return dynamodb.scan(TableName=table, Limit=_LOOKED_AT)["Items"]
    found = dynamodb.get_item(TableName=table, Key=dict(key), ConsistentRead=True)
    return [found["Item"]] if "Item" in found else []


def _missing(domain: Domain, item: Item, now: datetime) -> list[Difference]:
    """Return the embeddings that an item alone should make."""
    nothing: dict[str, dict[str, Any]] = {name: {} for name in domain.collections}
    return [one for one in domain.judge([item], nothing, now) if one.missing]


def _keys_like(domain: Domain, key: Key, token: str) -> Iterator[Key]:
    """Yield keys that begin as the original does, the sort key's first."""
    for at in reversed(range(len(key))):
        numbers = domain.schema.attributes[at].kind == "N"
        part = str(int(token, 16)) if numbers else f"{key[at]}-smoke-{token}"
        yield (*key[:at], part, *key[at + 1 :])
