"""The claim check: what a batch holds lies in S3, and a state's payload says where.

The rule is docs/design.md, "Flow": a payload is as small for any batch. A round is one object,
whatever it holds, for each PUT costs: sections of compressed lines (`zcat` shows them), each read
by its own range. It is named by its content, so a second try of a step never mixes with the first.
"""

import gzip
import hashlib
import json
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from itertools import islice
from typing import Any, Final, Protocol

from instep.flow import formats
from instep.flow.batch import Entry
from instep.flow.encoding import Json

INLINE_BYTES: Final = 4_000  # of a result in a payload: ten collections stay far below its 256 KB

_LEVEL: Final = 1  # a tenth of the bytes already; better costs more time than it saves
_GZIP: Final = 31  # zlib's window bits for a gzip member, which has no time in it


@dataclass(frozen=True)
class BatchRef:
    """Where something is parked: `bytes` from `start` on of an object; `count` things.

    The reference says of which format they are, for it is what one release may hand another.
    """

    key: str
    start: int
    bytes: int
    count: int

    def to_payload(self) -> dict[str, Any]:
        """Return the reference as the JSON one state hands the next."""
        return {**asdict(self), "format": formats.PARKED}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "BatchRef":
        """Read what `to_payload` wrote; FormatUnknown when a newer release did."""
        found = formats.format_of(payload.get("format"))
        formats.check(payload["key"], found, formats.PARKED)
        return cls(payload["key"], payload["start"], payload["bytes"], payload["count"])


@dataclass(frozen=True)
class ResultRef:
    """What applying a batch came to: in the payload itself while it is short, else parked."""

    inline: Mapping[str, Any] | None
    parked: BatchRef | None = None

    def to_payload(self) -> dict[str, Any]:
        """Return the reference as the JSON one state hands the next."""
        return {"parked": self.parked.to_payload()} if self.parked else {"inline": self.inline}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "ResultRef":
        """Read what `to_payload` wrote."""
        parked = payload.get("parked")
        return cls(payload.get("inline"), BatchRef.from_payload(parked) if parked else None)


@dataclass(frozen=True)
class Held:
    """A delivery that was drained and is not settled yet: `records` of it, from `first` on.

    `is_whole` is False when another of its records was done with before: it must not come back.
    """

    handle: str
    message_id: str
    attempts: int
    first: int
    records: int
    is_whole: bool = True


@dataclass(frozen=True)
class Deliveries:
    """Everything SettleBatch needs to acknowledge, hand back or send again."""

    held: Sequence[Held]
    parked: bytes = b""

    def records(self) -> Iterator[Json]:
        """Yield every record of the batch, in the order of its index, one at a time in memory."""
        return map(Json, islice(_lines(self.parked), len(self.held), None))

    def brought(self, at: int) -> Held | None:
        """Return what brought the record of this index; None when the input did."""
        index = bisect_right(self.held, at, key=lambda held: held.first) - 1
        return self.held[index] if index >= 0 else None

    def attempts(self, at: int) -> int:
        """Return how often the record of this index has failed so far."""
        held = self.brought(at)
        return held.attempts if held else 0


@dataclass(frozen=True)
class Entries:
    """One collection's entries, compressed; whoever goes through them has one at a time in memory,
    and may go again.
    """

    parked: bytes
    count: int

    def __len__(self) -> int:
        """Return how many there are."""
        return self.count

    def __iter__(self) -> Iterator[Entry]:
        """Read one after the other."""
        lines = _lines(self.parked)
        for line, text in zip(lines, lines, strict=True):
            origins, *rest = json.loads(line)
            yield Entry(Json(text), tuple(origins), *rest)


class Lines:
    """Lines of text, compressed as they come."""

    def __init__(self) -> None:
        self.count = 0
        self._gzip = zlib.compressobj(_LEVEL, wbits=_GZIP)
        self._parts: list[bytes] = []

    def add(self, text: str) -> int:
        """Add a line, which has no line break in it; return its index."""
        if part := self._gzip.compress(f"{text}\n".encode()):
            self._parts.append(part)
        self.count += 1
        return self.count - 1

    def close(self) -> bytes:
        """Return all lines, compressed; nothing can be added any more."""
        return b"".join([*self._parts, self._gzip.flush()])


class Parking(Protocol):
    """What a batch asks of the object store."""

    def put(self, key: str, body: bytes) -> None:
        """Write an object."""

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read so many bytes of an object."""


def park(
    parking: Parking,
    folder: str,
    held: Sequence[Held],
    records: Lines,
    batches: Mapping[str, Sequence[Entry]],
) -> tuple[BatchRef, dict[str, BatchRef]]:
    """Write what was drained, its records and a batch a collection as one object under `folder`."""
    sections = [_written(map(_held_line, held)) + records.close()]
    sections += [_written(_entry_lines(entries)) for entries in batches.values()]
    whole = b"".join(sections)
    key = f"{folder}/{_digest(whole)}.jsonl.gz"
    counts = [len(held), *map(len, batches.values())]
    references, start = [], 0
    for section, count in zip(sections, counts, strict=True):
        references.append(BatchRef(key, start, len(section), count))
        start += len(section)
    parking.put(key, whole)
    return references[0], dict(zip(batches, references[1:], strict=True))


def fetch_deliveries(parking: Parking, reference: BatchRef) -> Deliveries:
    """Read what `park` wrote of the deliveries; their records stay compressed."""
    section = _read(parking, reference)
    held = [Held(*json.loads(line)) for line in islice(_lines(section), reference.count)]
    return Deliveries(held, section)


def fetch_entries(parking: Parking, reference: BatchRef) -> Entries:
    """Return what `park` wrote of one collection."""
    return Entries(_read(parking, reference), reference.count)


def park_result(parking: Parking, batch: BatchRef, result: Mapping[str, Any]) -> ResultRef:
    """Park what applying `batch` came to beside it, unless it is short."""
    body = json.dumps(result, separators=(",", ":")).encode()
    if len(body) <= INLINE_BYTES:
        return ResultRef(result)
    key = f"{batch.key.removesuffix('.jsonl.gz')}.{_digest(body)}.result.json"
    parking.put(key, body)
    return ResultRef(None, BatchRef(key, 0, len(body), batch.count))


def fetch_result(parking: Parking, reference: ResultRef) -> Mapping[str, Any]:
    """Return what `park_result` was given."""
    if reference.parked is None:
        return reference.inline or {}
    content: dict[str, Any] = json.loads(_read(parking, reference.parked))
    return content


def _held_line(held: Held) -> str:
    return json.dumps([*asdict(held).values()], separators=(",", ":"))


def _entry_lines(entries: Iterable[Entry]) -> Iterator[str]:
    """Two lines an entry, so that its message is read only by who wants it."""
    for entry in entries:
        facts = [entry.origins, entry.at, entry.since, entry.awaited]
        yield json.dumps(facts, separators=(",", ":"))
        yield entry.text


def _written(texts: Iterable[str]) -> bytes:
    lines = Lines()
    for text in texts:
        lines.add(text)
    return lines.close()


def _lines(body: bytes) -> Iterator[str]:
    with gzip.open(BytesIO(body), "rt", encoding="utf-8", newline="\n") as file:
        for line in file:
            yield line.removesuffix("\n")


def _read(parking: Parking, reference: BatchRef) -> bytes:
    return parking.get_range(reference.key, reference.start, reference.bytes)


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]
