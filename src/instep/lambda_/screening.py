"""Of a stream batch, what is worth queueing: relevant, trimmed; and what nobody can read.

The rules are docs/domain.md's relevance rules, as the parser holds them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from instep.flow.encoding import Json, cut, size_of, written
from instep.flow.envelope import BYTES_PER_MESSAGE, Record, Rejection
from receipt_dynamo_stream import RecordRejected, is_relevant, trim


@dataclass
class Screened:
    """The records to queue, the poison with its reasons, and how many changed nothing."""

    kept: list[Record] = field(default_factory=list)
    poison: list[Rejection] = field(default_factory=list)
    skipped: int = 0


def screen(records: Iterable[Record]) -> Screened:
    """Sort stream records; none of them, however broken, takes the others with it."""
    screened = Screened()
    for record in records:
        try:
            if is_relevant(record):
                screened.kept.append(trim(record))
            else:
                screened.skipped += 1
        except RecordRejected as rejected:
            screened.poison.append(Rejection(_to_look_at(record), str(rejected)))
    return screened


def _to_look_at(record: Record) -> Record | Json:
    """Return a record for the DLQ; of a large one its keys and what shows the error, for the table
    has the item.
    """
    text = written(record)
    return record if size_of(text) <= BYTES_PER_MESSAGE else cut(record, BYTES_PER_MESSAGE)
