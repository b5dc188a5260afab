"""Receipts on the port: each question of `instep.domain.Domain`, answered by who knows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from instep.domain import (
    CollectionSpec,
    Contents,
    Difference,
    Embeddings,
    Item,
    Letter,
    Outcome,
    Record,
    Signal,
    SignalFailure,
    Told,
    Work,
)
from instep.keys import KeySchema
from receipt_chroma import compaction
from receipt_chroma.compaction.identity import EmbeddingId
from receipt_chroma.compaction.runs import RunTable
from receipt_domain import oracle
from receipt_domain.letters import letters_of
from receipt_domain.runs_open import is_open, unfinished_runs
from receipt_domain.write_back import write_back
from receipt_dynamo_stream import ChromaDBCollection, StreamMessage, is_relevant, parse_record, trim
from receipt_dynamo_stream.attributes import TTL_ATTRIBUTE
from receipt_dynamo_stream.keys import parse_key
from receipt_dynamo_stream.stream_filter import stream_filters

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_RUN: Final = "COMPACTION_RUN"
_WORK_OF_A_RUN: Final = 120  # signals that are as much: a run brings a receipt's vectors


class ReceiptDomain:
    """The table of docs/domain.md, and its collections `lines` and `words`."""

    @property
    def collections(self) -> Mapping[str, CollectionSpec]:
        """Both, in the space that their vectors are made for."""
        return {each.value: CollectionSpec("l2") for each in ChromaDBCollection}

    schema = KeySchema()
    time_to_live = TTL_ATTRIBUTE

    @property
    def stream_filters(self) -> Sequence[Mapping[str, Any]]:
        """Other partitions, letters and sections wake nobody."""
        return stream_filters()

    def trim(self, record: Record) -> Record | None:
        """Keep keys and feeding fields of a relevant record."""
        return trim(record) if is_relevant(record) else None

    def signals(self, record: Record) -> Sequence[Signal]:
        """Parse a stream record, a domain message or an older delta notice."""
        return [_signal(message) for message in parse_record(record)]

    def update(self, work: Work) -> Outcome:
        """Merge deltas, then write what else differs from the table."""
        result = compaction.process_collection_updates(
            _Messages(work.signals),
            work.collection,
            work.client,
            work.log,
            work.metrics,
            work.dynamodb,
            table_name=work.table,
            objects=work.objects,
            allowed_buckets=work.delta_buckets,
            scratch=work.scratch,
            renewed=work.renewed,
            clock=work.clock,
            recheck=work.recheck,
        )
        return Outcome(
            failures=[SignalFailure(**asdict(failure)) for failure in result.failures],
            note={
                "metadata_updated": result.total_metadata_updated,
                "labels_updated": result.total_labels_updated,
                "deltas_merged": result.delta_merge_count,
                "vectors_merged": result.total_vectors_merged,
                "deleted": result.embeddings_deleted,
            },
            done=[asdict(merge) for merge in result.delta_merge_results],
        )

    def settle(
        self,
        dynamodb: "DynamoDBClient",
        table: str,
        done: Mapping[str, Sequence[Mapping[str, Any]]],
        told: Sequence[Told],
    ) -> None:
        """Write the state of every run back."""
        write_back(RunTable(dynamodb, table), done, told)

    def record_of(self, item: Item) -> Record | None:
        """Say that an item arrived: its receipt, line, word or run may have vectors to bring.

        A run that is over brings nothing by itself: what is missing of it, its words bring back.
        """
        keys = {name: item[name] for name in ("PK", "SK")}
        key = parse_key(keys["PK"].get("S", ""), keys["SK"].get("S", ""))
        if key is None or (key.entity_type == _RUN and not is_open(item)):
            return None
        return {"eventName": "INSERT", "dynamodb": {"Keys": keys, "NewImage": item}}

    def identify(self, id_: str) -> Mapping[str, Any]:
        """Return the fields by which an embedding's receipt is found; none for a foreign id."""
        one = EmbeddingId.parse(id_)
        return {} if one is None else one.fields()

    @property
    def reads(self) -> Sequence[str]:
        """Geometry, letters and the rest stay in the table."""
        return [*oracle.READ, *(f"{name}_delta_prefix" for name in self.collections)]

    def judge(
        self, items: Sequence[Item], carried: Embeddings, now: datetime
    ) -> Sequence[Difference]:
        """Ask the oracle, which shares no code with what `update` does."""
        return oracle.judge(items, carried, now)

    def unembedded(
        self, items: Sequence[Item], carried: Embeddings, now: datetime
    ) -> Mapping[str, Sequence[str]]:
        """List the lines and words whose delta nobody has brought, or nobody has any more."""
        return {
            name: sorted(wanted.keys() - carried[name].keys())
            for name, wanted in oracle.expected(items, now).items()
            if name in carried
        }

    def explains(self, record: Record) -> Sequence[Letter]:
        """Match by what the record touches, as its key says."""
        return letters_of(record)

    @property
    def scan_filter(self) -> tuple[str, str]:
        """Other partitions are nobody's business here."""
        return "PK", "IMAGE#"

    def unfinished(self, items: Sequence[Item], now: datetime) -> Mapping[tuple[str, str], str]:
        """Return the state of every run, by its key and collection."""
        return unfinished_runs(items, now)


DOMAIN: Final = ReceiptDomain()


@dataclass(frozen=True)
class _Messages:
    """A collection's messages, read as they are asked for."""

    contents: Contents

    def __len__(self) -> int:
        return len(self.contents)

    def __iter__(self) -> Iterator[StreamMessage]:
        return map(StreamMessage.from_payload, self.contents)


def _signal(message: StreamMessage) -> Signal:
    is_run = message.entity_type == _RUN
    return Signal(
        identity=message.identity,
        collections=[collection.value for collection in message.collections],
        content=replace(message, changes={}).to_payload(),
        at=message.timestamp,
        awaited=is_run,
        weight=_WORK_OF_A_RUN if is_run else 1,
        changes=message.to_payload()["changes"] if message.changes else {},
    )
