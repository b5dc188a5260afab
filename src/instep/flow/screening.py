"""Of a stream batch, what is worth queueing: relevant, trimmed; and what nobody can read.

What is worth it, the domain says.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from instep.domain import Domain, RecordRejected
from instep.flow.encoding import Json, cut, size_of, written
from instep.flow.envelope import BYTES_PER_MESSAGE, Record, Rejection


@dataclass
class Screened:
    """The records to queue, the poison with its reasons, and how many changed nothing."""

    kept: list[Record] = field(default_factory=list)
    poison: list[Rejection] = field(default_factory=list)
    skipped: int = 0


def screen(records: Iterable[Record], domain: Domain) -> Screened:
    """Sort stream records; none of them, however broken, takes the others with it."""
    screened = Screened()
    for record in records:
        try:
            trimmed = domain.trim(record)
        except RecordRejected as rejected:
            screened.poison.append(Rejection(_to_look_at(record), str(rejected)))
        else:
            if trimmed is None:
                screened.skipped += 1
            else:
                screened.kept.append(trimmed)
    return screened


def _to_look_at(record: Record) -> Record | Json:
    """Return a record for the DLQ; of a large one its keys and what shows the error, for the table
    has the item.
    """
    text = written(record)
    return record if size_of(text) <= BYTES_PER_MESSAGE else cut(record, BYTES_PER_MESSAGE)
