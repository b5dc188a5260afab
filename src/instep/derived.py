"""A domain made of sources: all that the port asks, where embeddings follow from a few items each.

A signal is a key. What belongs to its subject is read and derived anew, and the difference written
(`instep.updating`), so order, duplicates and what an event was called do not matter.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from instep.aws.expiry import TIME_TO_LIVE
from instep.aws.stream_time import made_at
from instep.domain import (
    CollectionSpec,
    Difference,
    Embeddings,
    Item,
    Letter,
    Outcome,
    Record,
    RecordRejected,
    Signal,
    Told,
    Work,
)
from instep.judging import Table, judge
from instep.keys import Key, KeySchema
from instep.source import Source

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

EVERYTHING: Final = ({"eventName": ["INSERT", "MODIFY", "REMOVE"]},)

_PK_AND_SK: Final = KeySchema()


@dataclass(frozen=True)
class DerivedDomain:
    """Sources by collection, over one table. `stream_filters` may let more through than matters."""

    sources: Mapping[str, Source]
    schema: KeySchema = _PK_AND_SK
    time_to_live: str | None = TIME_TO_LIVE
    stream_filters: Sequence[Mapping[str, Any]] = EVERYTHING
    scan_filter: tuple[str, str] | None = field(default=None, init=False)

    @property
    def collections(self) -> Mapping[str, CollectionSpec]:
        """What the sources say of their own."""
        return {name: source.spec for name, source in self.sources.items()}

    @property
    def reads(self) -> Sequence[str]:
        """The keys, the expiry, and what any source derives from."""
        own = [name for source in self.sources.values() for name in source.reads]
        ttl = [self.time_to_live] if self.time_to_live else []
        return list(dict.fromkeys([*self.schema.names, *ttl, *own]))

    def trim(self, record: Record) -> Record | None:
        """Keep the keys of a record, unless it feeds nothing or nothing that is read has changed"""
        key, change = self._key(record), record["dynamodb"]
        if not self._fed(key):
            return None
        old, new = change.get("OldImage"), change.get("NewImage")
        both = isinstance(old, Mapping) and isinstance(new, Mapping)
        if both and all(old.get(name) == new.get(name) for name in self.reads):
            return None
        kept = {name: record[name] for name in ("eventID", "eventName") if name in record}
        made = {name: change[name] for name in _MADE if name in change}
        return {**kept, "dynamodb": {"Keys": self.schema.written(key), **made}}

    def signals(self, record: Record) -> Sequence[Signal]:
        """Return that the item of a key has changed: a stream record's, or a signal's own."""
        key = self._key(record)
        fed = self._fed(key)
        if not fed:
            return []
        at = made_at(record["dynamodb"])
        content = {"dynamodb": {"Keys": self.schema.written(key)}}
        return [Signal(json.dumps(key), fed, content, at)]

    def update(self, work: Work) -> Outcome:
        """Derive what was touched anew, and write what differs."""
        # By name, so that who only reads the stream does not load chromadb.
        update = import_module("instep.updating").update
        source = self.sources[work.collection]
        outcome: Outcome = update(source, self.schema, self.time_to_live, work)
        return outcome

    def settle(
        self,
        dynamodb: "DynamoDBClient",
        table: str,
        done: Mapping[str, Sequence[Mapping[str, Any]]],
        told: Sequence[Told],
    ) -> None:
        """Nobody waits to be told."""

    def record_of(self, item: Item) -> Record | None:
        """Say that an item arrived, if it feeds anything."""
        key = self.schema.of(item)
        if not self._fed(key):
            return None
        return {"eventName": "INSERT", "dynamodb": {"Keys": self.schema.written(key)}}

    def identify(self, id_: str) -> Mapping[str, Any]:  # noqa: ARG002 - of an id alone
        """Nothing: what an embedding is made of cannot be told from its id."""
        return {}

    def explains(self, record: Record) -> Sequence[Letter]:
        """Say which subjects a record's key belongs to."""
        try:
            key = self._key(record)
        except RecordRejected:
            return []
        subjects = {source.subject(key) for source in self.sources.values()}
        return [Letter(subject, None) for subject in subjects if subject is not None]

    def unfinished(self, items: Sequence[Item], now: datetime) -> Mapping[tuple[str, str], str]:  # noqa: ARG002
        """Nothing: the table holds what is, and no orders."""
        return {}

    def unembedded(
        self,
        items: Sequence[Item],  # noqa: ARG002
        carried: Embeddings,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> Mapping[str, Sequence[str]]:
        """Nothing: whatever has a vector and is not there is a difference."""
        return {}

    def judge(
        self, items: Sequence[Item], carried: Embeddings, now: datetime
    ) -> Sequence[Difference]:
        """Derive the whole table, subject by subject, and hold what is carried against that.

        What has expired and is not yet deleted may be there or not.
        """
        table = Table(items, self.schema, self.time_to_live, now)
        return [
            each
            for name, embeddings in sorted(carried.items())
            for each in judge(table, self.sources[name], name, embeddings)
        ]

    def _fed(self, key: Key) -> list[str]:
        return [name for name, one in self.sources.items() if one.subject(key) is not None]

    def _key(self, record: Any) -> Key:
        change = record.get("dynamodb") if isinstance(record, Mapping) else None
        keys = change.get("Keys") if isinstance(change, Mapping) else None
        if not isinstance(keys, Mapping):
            raise RecordRejected("no record of a stream: `dynamodb.Keys` is missing")
        try:
            return self.schema.of(keys)
        except ValueError as error:
            raise RecordRejected(f"`dynamodb.Keys`: {error}") from error


_MADE: Final = ("ApproximateCreationDateTime", "SequenceNumber")
