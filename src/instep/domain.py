"""The port: what Instep asks of a domain, which says what of a table's items makes embeddings.

Who calls what, on a change's way (docs/design.md, "Flow"):

    synthesis     `collections`, `stream_filters`
    ingest        `trim`       each record of the table's stream, once
    ParseBatch    `signals`    each record of the inbox, or of an execution's input
    ApplyUpdates  `update`     the signals of one collection, under its lease
    SettleBatch   `settle`     signals that somebody waits for, when all of it is certain
    sync          `record_of`  each item of the table
    verify, wait  `reads`, `judge`, `explains`, `unfinished`, `unembedded`

Most domains need none of it written: `instep.mapping` makes one of an instep.toml, and
`instep.derived` one of three functions in Python. The engine owns what is the same for everybody:
the inbox and its envelope, leases, snapshots, keys that stay unprocessed, checks of every value
before it is written, one item at a time.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

from instep.clock import Clock
from instep.keys import KeySchema
from instep.metrics import Metrics

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from mypy_boto3_dynamodb import DynamoDBClient

    from instep.aws.objects import Objects

Item: TypeAlias = Mapping[str, Mapping[str, Any]]
"""An item of the table, or the image of one, in DynamoDB JSON."""
Record: TypeAlias = Mapping[str, Any]
"""A record of the table's stream, as Lambda hands it over; or any JSON object that was pasted."""
Space: TypeAlias = Literal["l2", "cosine", "ip"]


@dataclass(frozen=True)
class CollectionSpec:
    """How a collection measures distance, and Chroma's own HNSW parameters beside that.

    `identity` stands for all that decides its embeddings. When it is another one than that of the
    head, the collection is built anew beside it (`instep.snapshot.acts.anew`); "" never is. What
    stands before its first `-` decides the vectors: while that is the same, they are kept.
    `embedder` is the name by which readers find what made its vectors (`instep.embedding.named`).
    """

    space: Space = "l2"
    hnsw: Mapping[str, int | float] = field(default_factory=dict)
    identity: str = ""
    embedder: str = ""


class RecordRejected(ValueError):
    """One record that cannot be read. The message is the reason that goes to the DLQ with it."""


@dataclass(frozen=True)
class Signal:
    """That something changed; what it is now, the table says when it is looked up.

    Signals of one `identity` stand for each other. `content` comes back in `update`; it is JSON,
    and `signals` must read it as a record too: of a record too large to be sent again, its signals
    are. `awaited`: somebody is told by `settle` what became of it. `weight` is how many plain
    signals' work it stands for, `changes` is logged (LOG_LEVEL=DEBUG) and never applied.
    """

    identity: str
    collections: Sequence[str]
    content: Mapping[str, Any]
    at: str | None = None  # when the change was made, ISO 8601 in UTC, if the record can be trusted
    awaited: bool = False
    weight: int = 1
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SignalFailure:
    """A signal that was not applied, by its index; `final`: to the DLQ, for trying is no cure.

    `waits`: it was not tried, and comes back without that being a failure.
    """

    index: int
    error: str  # the class name
    reason: str
    final: bool
    waits: bool = False


@dataclass
class Outcome:
    """What an update came to. JSON both ways.

    `note` is what `instep history` shows of the version: counts. `done` is handed to `settle`.
    """

    failures: list[SignalFailure] = field(default_factory=list)
    note: Mapping[str, int] = field(default_factory=dict)
    done: Sequence[Mapping[str, Any]] = ()

    def to_payload(self) -> dict[str, Any]:
        """Return what settling goes by."""
        return {"failures": [asdict(one) for one in self.failures], "done": list(self.done)}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "Outcome":
        """Read what `to_payload` wrote."""
        failures = [SignalFailure(**one) for one in payload["failures"]]
        return cls(failures, done=payload["done"])


class Log(Protocol):
    """What a domain asks of a logger: a stdlib logger or one of Powertools."""

    def info(self, msg: str, *, extra: Mapping[str, Any]) -> None:
        """Log `msg` with fields."""

    def warning(self, msg: str, *, extra: Mapping[str, Any]) -> None:
        """Log `msg` with fields, for a person to look at."""


class Contents(Protocol):
    """The contents of a collection's signals, read one at a time, as often as asked."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        """Go through them, from the first on each time."""


@dataclass(frozen=True)
class Work:
    """What ApplyUpdates hands a domain: one collection, at the head, and the table it follows.

    `recheck` are ids of embeddings to look up although no signal names them: all of them while
    `sync` runs, piece by piece. `renewed` returns a fresh client in place of `client`; ask now and
    then where tens of thousands are written. `parked` is a key prefix in `objects` for what a
    second try of this very batch may use again. `until` is when the function's time is over.
    """

    collection: str
    signals: Contents
    client: "ClientAPI"
    renewed: "Callable[[], ClientAPI]"
    dynamodb: "DynamoDBClient"
    table: str
    objects: "Objects"
    delta_buckets: Collection[str]
    scratch: Path
    parked: str
    until: datetime
    log: Log
    metrics: Metrics
    clock: Clock
    recheck: Collection[str] = ()


class Told(NamedTuple):
    """An awaited signal that was not applied: its content, whether it is given up, and why."""

    collection: str
    content: Mapping[str, Any]
    given_up: bool
    reason: str


@dataclass(frozen=True)
class Difference:
    """One thing an embedding carries and should not, or should and does not.

    `field` None: the embedding itself, which is `missing` or should not be there. `part_of` names
    what it belongs to, as `Domain.explains` does.
    """

    collection: str
    id: str
    field: str | None
    expected: Any
    carried: Any
    missing: bool = False
    part_of: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """Name the field, or what is wrong with the embedding itself."""
        if self.field is not None:
            return self.field
        return "is missing" if self.missing else "should not be there"

    def __str__(self) -> str:
        """Say it as a person reads it."""
        if self.field is None:
            by = "" if self.missing else ", by the table"
            return f"{self.collection} {self.id}: {self.what}{by}"
        return (
            f"{self.collection} {self.id}: {self.field} is {self.carried!r}, "
            f"the table says {self.expected!r}"
        )


class Letter(NamedTuple):
    """What a letter of the DLQ keeps from arriving: of whatever has this name, the `fields` (None:
    all). `about` is the id of an embedding, what a Difference is `part_of`, or a key of
    `unfinished`.
    """

    about: str
    fields: Collection[str] | None


Embeddings: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By collection and id what embeddings carry: their metadata, and as `brief.DOCUMENT` what
`brief.brief` leaves of their document.
"""


class Domain(Protocol):
    """One table and the collections that follow it. Nothing of it may load chromadb but `update`.

    Whatever a method raises that it does not name is a fault of the domain: the step fails, is
    tried again as the workflow says, and the messages come back.
    """

    @property
    def collections(self) -> Mapping[str, CollectionSpec]:
        """Every collection by its name, which is a folder in S3 and part of public names."""

    @property
    def schema(self) -> KeySchema:
        """The key of the table, also of one that the app makes."""

    @property
    def time_to_live(self) -> str | None:
        """The attribute of an item's expiry; None where nothing expires."""

    @property
    def stream_filters(self) -> Sequence[Mapping[str, Any]]:
        """Event filter patterns, five at most: coarser than `trim`, never finer."""

    def trim(self, record: Record) -> Record | None:
        """Return a stream record with no more than `signals` needs; None if nothing follows of it.

        RecordRejected sends that record to the DLQ, and the others go on.
        """

    def signals(self, record: Record) -> Sequence[Signal]:
        """Return what a record says has changed; RecordRejected as in `trim`."""

    def update(self, work: Work) -> Outcome:
        """Look up the truth of what was signalled and write what differs, through the engine.

        StorageUnavailable: tried again. One bad item is a SignalFailure, never an exception.
        """

    def settle(
        self,
        dynamodb: "DynamoDBClient",
        table: str,
        done: Mapping[str, Sequence[Mapping[str, Any]]],
        told: Sequence[Told],
    ) -> None:
        """Tell whoever waits: `done` (by collection, what `update` returned) is published now.

        Called before messages are acknowledged, and perhaps again: it must bear repetition.
        """

    def record_of(self, item: Item) -> Record | None:
        """Return what the stream would say of an item that is new; None for one of no interest."""

    def identify(self, id_: str) -> Mapping[str, Any]:
        """Return the metadata by which an embedding of this id is found, whoever wrote it."""

    @property
    def reads(self) -> Sequence[str]:
        """The attributes that `record_of` and whatever judges the table read, the keys too."""

    def judge(
        self, items: Sequence[Item], carried: Embeddings, now: datetime
    ) -> Sequence[Difference]:
        """List how what is carried differs from the whole table; a pending expiry is none.

        The items lie on the disk, and are read from there each time that they are asked for: what
        is kept of them beside is what this takes in memory.
        """

    def unembedded(
        self, items: Sequence[Item], carried: Embeddings, now: datetime
    ) -> Mapping[str, Sequence[str]]:
        """Name, by collection, what may have an embedding and has none, where that is no difference
        to `judge`: vectors that nobody has brought yet.
        """

    def explains(self, record: Record) -> Sequence[Letter]:
        """Say what a record that lies in the DLQ keeps from arriving; it may be unreadable."""

    def unfinished(self, items: Sequence[Item], now: datetime) -> Mapping[tuple[str, str], str]:
        """Map what the table itself says is on its way, by key and collection, to its state:
        PENDING, PROCESSING, COMPLETED or FAILED.
        """

    @property
    def scan_filter(self) -> tuple[str, str] | None:
        """An attribute and what it begins with in every item of interest; None: read all."""
